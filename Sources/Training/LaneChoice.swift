import Datasets

extension RunConfiguration {
  /// The run with its lanes chosen, where it leaves that to the machine: as many as there are cores, or
  /// the largest number below that shares a batch evenly.
  ///
  /// Results depend on the lanes, so a run records them.
  public func choosingLanes(cores: Int) -> RunConfiguration {
    var run = self
    if run.training.lanes == 0 { run.training.lanes = lanes(cores: cores) }
    if run.training.microBatch == 0 {
      run.training.microBatch = run.training.imagesPerReplay(imageSize: data.imageSize)
    }
    return run
  }

  /// The most lanes, at most one a core, among which batches of all sizes are shared evenly.
  public func lanes(cores: Int) -> Int {
    let (batch, micro) = (training.batchSize, max(1, training.microBatch))
    let most = max(1, min(cores, TrainingConfiguration.mostLanes, batch))
    return (1...most).last { lanes in
      batch % (lanes * micro) == 0
        && data.sizeMultiples.allSatisfy { batch % (lanes * $0 * $0) == 0 }
    } ?? 1
  }
}
