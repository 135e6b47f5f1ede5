import importlib.metadata as metadata, sys
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return 'unknown'
print(f'version {version("docker-topo")}, Python {sys.version.split()[0]}, packaging {version("packaging")}')
