/// What a page shows of a run beyond its evaluation.
public struct RunDetails: Sendable {
  /// The run's journal.
  public var history: RunHistory
  /// Its codebook in a plane; nil where none was made.
  public var plane: CodePlane?

  /// Details of a run.
  public init(history: RunHistory = RunHistory(), plane: CodePlane? = nil) {
    self.history = history
    self.plane = plane
  }
}

/// Images that a page shows: originals, and what each run made of them.
public struct ComparisonPictures: Sendable {
  /// What a run made of the images.
  public struct Row: Sendable {
    /// PNG files of the reconstructions.
    public var reconstructions: [[UInt8]]
    /// PNG files of `|original - reconstruction|`, amplified.
    public var differences: [[UInt8]]

    /// PNG files of one run.
    public init(reconstructions: [[UInt8]], differences: [[UInt8]]) {
      self.reconstructions = reconstructions
      self.differences = differences
    }
  }

  /// PNG files of the originals.
  public var originals: [[UInt8]]
  /// By how much the differences are amplified, alike for all runs.
  public var amplification: Int
  /// A row for each entry of the comparison; nil for those that failed.
  public var rows: [Row?]

  /// Pictures.
  public init(originals: [[UInt8]], amplification: Int, rows: [Row?]) {
    self.originals = originals
    self.amplification = amplification
    self.rows = rows
  }
}
