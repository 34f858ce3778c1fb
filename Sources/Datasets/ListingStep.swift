/// How far the listing of images is: what a large set is opened with before any image is read.
public enum ListingStep: Sendable, Equatable {
  /// A folder is walked, with the folders in it; so many images were found.
  case folder(path: String, images: Int)
  /// A list of images is read.
  case list(path: String)
  /// It is looked whether so many of the images that a list names are there.
  case listed(path: String, done: Int, of: Int)
  /// The headers of shards are read; so many shards are done.
  case shards(path: String, done: Int, of: Int)
}

/// Is told of steps of a listing, by several threads at once, often enough that it may end the program at a
/// request to stop.
public typealias ListingObserver = @Sendable (ListingStep) -> Void
