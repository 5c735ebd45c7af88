use super::mlflow::key_of;

#[test]
fn keys_are_those_that_mlflow_accepts() {
    assert_eq!(key_of("tar@fmr=1e-3"), "tar_fmr_1e-3");
    assert_eq!(key_of("../../etc"), ".._.._etc");
}
