"""The CreateLabelingJob document: shapes, rules, names, and the DescribeLabelingJob view of a job."""
