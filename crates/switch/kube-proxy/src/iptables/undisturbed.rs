//! Whether the tables are as they were when everything of ours stood in them: the kernel's word for it, without reading them. Every backend
//! asks in this way, and what nobody can vouch for is read.

use super::{Family, Generation, Table, Variant, Watch};

/// What was answered when everything stood, and how to ask again.
#[derive(Debug)]
pub struct Undisturbed {
    watch: Option<Watch>,
    tables: &'static [Table],
    stood: Option<Generation>,
}

impl Undisturbed {
    /// Nothing is known yet. Where the kernel cannot be asked, nothing ever will be.
    pub fn new(variant: Variant, tables: &'static [Table]) -> Self {
        let watch = Watch::new(variant, Family::V4);
        let watch = watch.inspect_err(|error| tracing::info!("changes by others are seen late: {error}")).ok();
        Self { watch, tables, stood: None }
    }

    pub fn look(&self) -> Option<Generation> {
        let generation = self.watch.as_ref()?.generation_of(self.tables);
        generation.inspect_err(|error| tracing::debug!("no generation: {error}")).ok()
    }

    /// Whether a look can tell anything.
    pub fn can_tell(&self) -> bool {
        self.watch.is_some()
    }

    /// Whether nobody can change anything that a look would not show.
    pub fn is_exact(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::is_exact)
    }

    /// Whether nobody has written since everything stood, as far as a look can tell.
    pub fn holds(&self) -> bool {
        self.stood.is_some() && self.look() == self.stood
    }

    /// The same, of a look that was taken.
    pub fn held_at(&self, look: Option<Generation>) -> bool {
        self.stood.is_some() && look == self.stood
    }

    /// Everything was read after this look, and stood.
    pub fn stood_at(&mut self, look: Option<Generation>) {
        self.stood = look;
    }

    /// Only reading can tell what stands.
    pub fn forget(&mut self) {
        self.stood = None;
    }

    pub fn stood(&self) -> Option<Generation> {
        self.stood
    }

    /// The look after a write of ours that was `commits` transactions, if it shows that nobody else has written since the look `before`. Only
    /// nftables counts transactions.
    pub fn after_write(&self, before: Option<Generation>, commits: u32) -> Option<Generation> {
        let mut expected = before.filter(|_| self.is_exact())?;
        expected[0] = expected[0].wrapping_add(commits);
        self.look().filter(|look| *look == expected)
    }

    /// Whether what was written after the look `before`, in so many transactions, and read after the look `written`, is all ours as far as
    /// looks can tell.
    pub fn is_all_ours(&self, before: Option<Generation>, commits: u32, written: Option<Generation>) -> bool {
        (!self.is_exact() || self.after_write(before, commits).is_some()) && self.look() == written
    }
}
