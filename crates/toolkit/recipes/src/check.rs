//! What the parts of a release must be to each other: checked once all of them are read.

use std::{collections::BTreeMap, path::Path};

use toml::Spanned;

use crate::{
    component::{Build, Component, ComponentFile, LicenceText, ProgramRecipe, Suite, TreeRecipe},
    error::RecipeError,
    lock,
    origin::{Origin, Source},
    parsed::Parsed,
    release::Toolchain,
    text::{Name, RelativePath},
};

pub(crate) fn origins(path: &Path, origins: &[Origin]) -> Result<(), RecipeError> {
    if origins.is_empty() {
        return Err(RecipeError::about(path, "no [[origin]]: expected at least one"));
    }
    for origin in origins {
        if let Origin::DebianPackages(packages) = origin
            && packages.pinned.is_empty()
            && packages.moving.is_none()
        {
            return Err(RecipeError::about(
                path,
                "an origin of Debian packages names none: expected `pinned` or `moving`",
            ));
        }
    }
    let is_moving = |origin: &&Origin| matches!(origin, Origin::DebianPackages(packages) if packages.moving.is_some());
    if origins.iter().filter(is_moving).count() > 1 {
        return Err(RecipeError::about(path, "two origins move: expected one, as there is one lock file"));
    }
    Ok(())
}

pub(crate) fn component(
    file: Parsed<ComponentFile>,
    toolchains: &[Toolchain],
    others: &[Component],
    installed: &mut BTreeMap<RelativePath, Name>,
) -> Result<Component, RecipeError> {
    let mut patches = Vec::new();
    if let Some(series) = &file.value.patches {
        for name in &series.series {
            let path = Spanned::new(name.span(), format!("{}/{}", series.directory, name.get_ref()));
            patches.push(file.beside(&path, "patch file")?);
        }
    }
    let mut licence_texts = Vec::new();
    for text in &file.value.licence_text {
        let (of, reason) = (text.of.clone(), text.reason.clone());
        licence_texts.push(LicenceText { of, file: file.beside(&text.file, "licence's text")?, reason });
    }
    for program in &file.value.program {
        let place = program.span();
        let program = program.get_ref();
        for name in toolchain_names(program) {
            if !toolchains.iter().any(|toolchain| toolchain.source.name == *name) {
                return Err(file.error(
                    place,
                    format!("program {} needs the toolchain {name}, which release.toml does not list", program.name),
                ));
            }
        }
        if matches!(program.build, Build::Go(_)) && (file.value.import_path.is_none() || file.value.origin.is_empty()) {
            let message =
                format!("program {} is built with Go: expected `import-path` and an [[origin]]", program.name);
            return Err(file.error(place, message));
        }
        let mut elsewhere = others.iter().flat_map(|component| &component.programs);
        if elsewhere.any(|other| other.name == program.name) {
            return Err(file.error(place, format!("duplicate program {}: a release has each name once", program.name)));
        }
        for path in program.install.iter().flat_map(|install| std::iter::once(&install.path).chain(&install.links)) {
            if let Some(other) = installed.insert(path.clone(), program.name.clone()) {
                return Err(file.error(place, format!("{path} is installed by {other} and by {}", program.name)));
            }
        }
    }
    for image in &file.value.image {
        let programs = || file.value.program.iter().map(|program| &program.get_ref().name);
        if !programs().any(|name| *name == image.get_ref().program) {
            let known = programs().map(Name::to_string).collect::<Vec<_>>().join(", ");
            let message = format!("no program {} here to make an image of: there are {known}", image.get_ref().program);
            return Err(file.error(image.span(), message));
        }
    }
    let mut suite = file.value.suite.as_ref().map(|suite| suite.get_ref().clone());
    if let Some(suite) = &file.value.suite {
        suite_of(suite.get_ref(), toolchains).map_err(|wrong| file.error(suite.span(), wrong))?;
    }
    for prepare in &file.value.prepare {
        if !toolchains.iter().any(|toolchain| toolchain.source.name == prepare.toolchain) {
            let message =
                format!("a [[prepare]] needs the toolchain {}, which release.toml does not list", prepare.toolchain);
            return Err(RecipeError::about(&file.path, message));
        }
    }
    let ComponentFile {
        name,
        version,
        license,
        purl,
        markers,
        import_path,
        aliases,
        mut origin,
        prepare,
        stamps,
        program,
        image,
        ..
    } = file.value;
    let mut programs: Vec<ProgramRecipe> = program.into_iter().map(Spanned::into_inner).collect();
    if let Some(stamps) = stamps {
        let of_suite = suite.iter_mut().flat_map(|suite| &mut suite.programs);
        programs.iter_mut().chain(of_suite).for_each(|program| stamps.stamp(program));
    }
    if !origin.is_empty() {
        origins(&file.path, &origin)?;
        lock::fill(&file.path, &mut origin)?;
        if markers.is_empty() {
            let message = "no `markers`: expected files by which a tree of this component is known";
            return Err(RecipeError::about(&file.path, message));
        }
    }
    let source =
        (!origin.is_empty()).then(|| Source { name: name.clone(), version: version.clone(), origins: origin, markers });
    Ok(Component {
        source,
        name,
        version,
        license,
        purl,
        tree: TreeRecipe { patches, import_path, aliases, prepare },
        programs,
        images: image.into_iter().map(Spanned::into_inner).collect(),
        licence_texts,
        suite,
    })
}

/// Fails with what is wrong with the suite of a component.
fn suite_of(suite: &Suite, toolchains: &[Toolchain]) -> Result<(), String> {
    let known = |name: &Name| toolchains.iter().any(|toolchain| toolchain.source.name == *name);
    let mut wanted = suite.programs.iter().flat_map(toolchain_names).chain([&suite.generate.toolchain]);
    if let Some(name) = wanted.find(|name| !known(name)) {
        return Err(format!("the suite needs the toolchain {name}, which release.toml does not list"));
    }
    if let Some(program) = suite.programs.iter().find(|program| !matches!(program.build, Build::Go(_))) {
        return Err(format!("program {} of the suite is in Rust: expected [suite.program.go]", program.name));
    }
    if let Some(program) = suite.programs.iter().find(|program| program.install.is_some()) {
        return Err(format!("program {} of the suite has an `install`: it goes into no image", program.name));
    }
    match suite.generate.makes.as_slice() {
        [made] if made.starts_with(&format!("{}/", suite.tests)) => Ok(()),
        _ => Err(format!("`generate` of the suite makes one file: expected it below {}", suite.tests)),
    }
}

fn toolchain_names(program: &ProgramRecipe) -> Vec<&Name> {
    match &program.build {
        Build::Go(go) => std::iter::once(&go.toolchain).chain(&go.libraries).collect(),
        Build::Rust(rust) => vec![&rust.toolchain],
    }
}
