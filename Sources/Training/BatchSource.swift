import Datasets

/// Where the batches of a run come from.
///
/// A batch is a function of the seed and the step alone, so that a run that is resumed gets the batches
/// that it would have got.
package protocol BatchSource: AnyObject {
  /// Calls `body` with the batch of a step, counted from 0; it is valid until `body` returns.
  ///
  /// Steps are asked for in rising order.
  func withBatch<Result>(step: Int, _ body: (Batch) throws -> Result) throws -> Result

  /// Ends what prepares batches ahead.
  func stop()
}

extension BatchLoader: BatchSource {
  /// Images `[n, side, side, 3]` in [-1, 1], the input "images".
  package func withBatch<Result>(
    step: Int, _ body: (Batch) throws -> Result
  ) throws -> Result {
    try withBatch(step: step) { (numbers: UnsafeBufferPointer<Float>) in
      try body(Batch([("images", UnsafeRawPointer(numbers.baseAddress!))]))
    }
  }
}
