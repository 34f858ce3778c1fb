/// Ids on disk.
