//! Where results of a study go that are not made by a worker.

use crate::auto::{PRIOR, Rules};
use crate::config::Config;
use dicom_dictionary_std::tags;
use hilum_store::{Level, Query, Store, StoreError, keys};
use std::collections::{BTreeMap, BTreeSet};

/// Names of the destinations that the rules give the results of a study to: those of its images, as if it were read now. Reports that
/// were stored beside the images are no images.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn destinations(
    store: &Store,
    config: &Config,
    study: &str,
) -> Result<Vec<String>, StoreError> {
    let images = hilum_store::images_of(&mut *store.db().read().acquire().await?, study).await?;
    let images: BTreeMap<&str, &str> = images
        .iter()
        .map(|i| (i.instance.as_str(), i.source.as_str()))
        .collect();
    let mut query = Query::all(Level::Instance);
    if let Some(key) = keys::by_tag(tags::STUDY_INSTANCE_UID) {
        query = query.with(key, study);
    }
    query.limit = 10_000;
    // One that was fetched as a prior has no sender.
    let fetched = store.job_state(PRIOR, study).await?.is_some();
    let rules = Rules::new(config);
    let mut names = BTreeSet::new();
    for found in store.find(&query).await? {
        let Some(source) = images.get(found.value(tags::SOP_INSTANCE_UID)) else {
            continue;
        };
        let source = Some(*source).filter(|_| !fetched);
        if let Some(rule) = rules.decide(&found, source) {
            names.extend(rule.send_to.iter().cloned());
        }
    }
    Ok(names.into_iter().collect())
}
