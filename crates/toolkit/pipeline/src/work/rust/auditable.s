        .section .dep-v0, "a", @progbits
        .globl AUDITABLE_VERSION_INFO
AUDITABLE_VERSION_INFO:
        .incbin "auditable.z"
        .section .note.GNU-stack, "", @progbits
