REVERT JOB {job};
