//! Compares the lists of AWS's properties with AWS's service models, as botocore has them.

use std::process::Command;

#[test]
fn lists_of_properties_are_those_of_the_service_models() {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = Command::new(format!("{root}/.local/venv/bin/python"));
    let told = command.arg(format!("{root}/tests/support/properties.py")).output().unwrap();
    assert!(told.status.success(), "{told:?}");
    let (have, want) = (std::fs::read(format!("{root}/tests/data/properties.json")).unwrap(), told.stdout);
    let way =
        "write the list again with: .local/venv/bin/python tests/support/properties.py >tests/data/properties.json";
    assert!(have == want, "the models have other properties; {way}");
}
