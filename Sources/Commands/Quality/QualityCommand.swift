import ArgumentParser
import Configuration
import Evaluation
import Execution
import Files
import Formatting
import Foundation
import Imaging
import Reports
import TokenFiles
import Training

/// Measures how like real images drawn ones are.
public struct QualityCommand: DocumentedCommand {
  /// Name, summary and examples.
  public static let configuration = documented(
    "quality", "Measures how like real images drawn ones are: distances of sets, precision, recall."
  )

  static let help = HelpText(
    paragraphs: [
      "Nothing is downloaded. SWD, the sliced Wasserstein distance, compares patches of the images at "
        + "each scale. With --features also the Fréchet distance, and precision and recall: "
        + "in latents of a tokenizer, averaged over cells of the images, or in vectors that another "
        + "program computed, such as those of Inception for FID.",
      "Each number stands beside its floor, one half of the real images against the other, and beside "
        + "random pixels, all at the same number n of images: such numbers depend on n, so that two "
        + "of them can only be compared at one n. For n drawn images, 2n real ones are read.",
      "Real images are brought to the size of the drawn ones: as the tokenizer was trained if that "
        + "is its size, or else scaled to cover it and cropped. A file that cannot be used is "
        + "named with the reason and skipped; the exit code is then 65.",
      "A file of features is a safetensors file with tensors \"real\" [n, d] and \"drawn\" [m, d], F32 or "
        + "F64. With it, folders of images are only needed for SWD.",
      "--record writes the numbers into a run's folder as quality.json, where compare finds them. "
        + "Without --features, the features are then those of the tokenizer whose tokens the run has "
        + "learned, or of the run itself.",
    ],
    examples: [
      #"""
      quality --real photos --features checkpoints/fsq drawn
      """#,
      #"""
      quality --real photos --record checkpoints/prior drawn
      """#,
      "quality --real photos --json quality.json drawn",
      "quality --features inception.safetensors",
    ])

  @Option(
    help: ArgumentHelp(
      "Folder, list or shards of real images, best with twice as many as are drawn.",
      valueName: "folder"))
  var real: String?

  @Option(
    help: ArgumentHelp(
      "Ending of the image in the samples of --real, where these are shards; by default the shortest of PNG "
        + "and JPEG.", valueName: "ending"))
  var member: String?

  @Option(
    help: ArgumentHelp(
      "Folder of a tokenizer whose latents describe the images, or a file of vectors (.safetensors).",
      valueName: "path"))
  var features: String?

  @Option(
    help: ArgumentHelp(
      "Write the numbers as JSON; - for standard output, instead of the table.", valueName: "file"))
  var json: String?

  @Option(
    help: ArgumentHelp(
      "Folder of the run that drew the images: write quality.json there.", valueName: "folder"))
  var record: String?

  @Option(
    help: ArgumentHelp("Images of each set, at most.", valueName: "n"))
  var count = 10_000

  @Option(help: ArgumentHelp("Random seed.", valueName: "n"))
  var seed: UInt64 = 0

  @OptionGroup var options: CommandOptions

  @Argument(help: ArgumentHelp("Folder of drawn images.", valueName: "drawn"))
  var drawn: String?

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    try requireName("--real", real)
    try requireName("--features", features)
    try requireName("--member", member)
    if member != nil, real == nil {
      throw ValidationError(
        "--member is the ending of images of --real: add it, or remove --member")
    }
    try requireName("--json", json)
    try requireName("--record", record)
    try requireName("<drawn>", drawn)
    guard count >= QualitySets.least else {
      throw ValidationError(
        "--count: expected at least \(QualitySets.least) images, found \(count)")
    }
    let needsImages = features.map(FeatureSource.isFile) != true
    if real == nil, needsImages || drawn != nil {
      throw ValidationError("--real: expected a folder of real images to measure against")
    }
    if drawn == nil, needsImages || real != nil {
      throw ValidationError("expected a folder of drawn images after the options")
    }
  }

  /// Measures.
  public func run() throws {
    try conclude(options) { terminal in
      let threads = options.threadCount
      let run = try record.map(RecordedRunFolder.init)
      let source = try featureSource(run, terminal)
      var reader = QualityReader(threads: threads, seed: seed, terminal)
      let sets: QualitySets? =
        if let real, let drawn {
          try QualitySets(
            drawn: drawn, real: real, member: member, most: count, seed: seed, &reader
          ) {
            try QualityPreparation(
              tokenizer: source.tokenizer, recipe: run?.recipe, width: $0, height: $1)
          }
        } else { nil }
      let vectors: QualityFeatures? =
        switch source {
        case .none: nil
        case .tokenizer(let tokenizer): try QualityFeatures(tokenizer, sets!, terminal)
        case .file(let path): try QualityFeatures(file: path, most: count, seed: seed, terminal)
        }
      var record = QualityRecord(
        seed: seed,
        real: .init(
          folder: real, images: sets?.counts.real ?? vectors?.counts?.real ?? 0,
          hash: sets?.hash ?? vectors?.space.fingerprint),
        drawn: .init(folder: drawn, images: sets?.counts.drawn ?? vectors?.counts?.drawn ?? 0))
      record.step = run?.step
      record.sampling = drawn.flatMap {
        try? String(contentsOfFile: $0 + "/" + SampleOutput.aboutFile, encoding: .utf8)
      }.flatMap(QualityRecord.Sampling.init(about:))
      try vectors?.measure(into: &record, threads: threads, terminal)
      if let sets { measurePatches(sets, into: &record, threads: threads, terminal) }
      try tell(record, run, terminal)
      if reader.skipped > 0 {
        throw Failure(
          .badData,
          "\(Display.count(reader.skipped, "file")) skipped, for the reasons above; the numbers are "
            + "those of the others")
      }
    }
  }

  /// The features that were asked for, or those of the run's tokenizer.
  private func featureSource(
    _ run: RecordedRunFolder?, _ terminal: Terminal
  ) throws -> FeatureSource {
    let threads = options.threadCount
    if let features {
      guard !FeatureSource.isFile(features) else { return .file(features) }
      guard FileManager.default.fileExists(atPath: features) else {
        throw Failure(
          .noInput,
          "--features \(features): expected the folder of a tokenizer or a safetensors file, found "
            + "nothing at this path. Check the path.")
      }
      return .tokenizer(try OpenedTokenizer(checkpoint: features, threads: threads))
    }
    if let run, let tokenizer = try run.tokenizer(threads: threads) {
      terminal.say("features: the latents of \(tokenizer.folder)")
      return .tokenizer(tokenizer)
    }
    terminal.say(
      "only SWD is measured: for Fréchet distance, precision and recall name a tokenizer or a file of "
        + "vectors by --features")
    return .none
  }

  private func measurePatches(
    _ sets: QualitySets, into record: inout QualityRecord, threads: Int, _ terminal: Terminal
  ) {
    let measurement = SlicedWasserstein(seed: seed, threads: threads)
    let others = [sets.drawn, sets.others, sets.noise].map { PixelSet($0) }
    let levels = measurement.distances(from: PixelSet(sets.real), to: others) { width, height in
      terminal.progress("comparing patches at \(width)x\(height) pixels")
    }
    record.levels = levels.map { level in
      .init(
        width: level.width, height: level.height,
        score: .init(
          drawn: level.distances[0], floor: level.distances[1], noise: level.distances[2]))
    }
    record.patchImages = sets.n
    record.size = (sets.drawn[0].width, sets.drawn[0].height)
    record.preparation = sets.preparation.words
  }

  private func tell(
    _ record: QualityRecord, _ run: RecordedRunFolder?, _ terminal: Terminal
  ) throws {
    if json == "-" {
      terminal.output(record.json)
    } else {
      terminal.result(record.text(width: CompareCommand.outputWidth))
      if let json { try AtomicFile.write(record.json, to: json) }
    }
    guard let run else { return }
    let path = run.folder + "/" + QualityRecord.file
    try AtomicFile.write(record.json, to: path)
    terminal.say("\(path): written; compare shows it")
  }
}

/// The folder of a run that drew images, of whatever kind.
private struct RecordedRunFolder {
  let folder: String
  /// Updates of its weights.
  let step: Int
  /// What its tokens are, if it is a prior.
  private let tokens: PriorTokens?
  /// What its vectors are, if it is a continuous prior.
  private let vectors: PriorVectors?
  private let kind: RunKind

  /// - Throws: ``Failure`` or `TrainingError` where there is no run.
  init(_ folder: String) throws {
    let checkpoint = Checkpoint(folder: folder)
    guard checkpoint.hasFolder,
      FileManager.default.fileExists(atPath: folder + "/" + Checkpoint.configurationFile)
    else {
      throw Failure(
        .noInput,
        "--record \(folder): expected the folder of a run, with \(Checkpoint.configurationFile) in it, "
          + "found none. Name the run that drew the images, or write a file by --json.")
    }
    self.folder = folder
    kind = try checkpoint.kind()
    step = try RecordedEntry.steps(folder)
    tokens = kind == .prior ? try checkpoint.readPriorTokens() : nil
    vectors = kind == .continuous ? try checkpoint.readPriorVectors() : nil
  }

  /// How the images of its tokens were prepared; nil where it has none.
  var recipe: (recipe: Recipe, folder: String)? { tokens.map { ($0.recipe, folder) } }

  /// The tokenizer whose latents describe its images; nil where there is none to be found.
  func tokenizer(threads: Int) throws -> OpenedTokenizer? {
    switch kind {
    case .tokenizer: try OpenedTokenizer(checkpoint: folder, threads: threads)
    case .prior:
      try tokens.flatMap {
        try OpenedTokenizer.find($0.tokenizer, beside: folder, threads: threads)
      }
    case .continuous:
      try vectors?.autoencoder.flatMap {
        try OpenedTokenizer.find($0, beside: folder, threads: threads)
      }
    case .model, .solver: nil
    }
  }
}
