import ArgumentParser
import Files
import Formatting
import Foundation
import Imaging
import Reports
import TokenFiles
import Training

/// Compares runs on one set of images.
public struct CompareCommand: DocumentedCommand {
  /// Name, summary and examples.
  public static let configuration = documented(
    "compare",
    "Compares trained tokenizers, and reports whose codebook collapsed, and why; priors by their bits."
  )

  static let help = HelpText(
    paragraphs: [
      "All runs see the same images: those of --data, or else the validation images of the "
        + "first run. The table has PSNR, SSIM, codebook usage beside what uniform sampling "
        + "would show, perplexity, bits and speeds; each run gets a verdict with its reasons and what "
        + "to do next: healthy, codebook collapse (few codes are used), embedding collapse (the "
        + "vectors before quantization concentrate), still improving, or too early to judge.",
      "Priors are compared by what held-out tokens cost, from their logs. A prior that is named "
        + "with its tokenizer is paired with it, by the fingerprint in tokens.json: PSNR over "
        + "bits/pixel, the share of the budget that the prior saves, and mean and spread of priors "
        + "that differ in their seed alone. --html adds curves, a rate-distortion plot and "
        + "a prior's samples.png. Where tessera quality has left quality.json in a prior's folder, the "
        + "table has Fréchet distance, SWD, precision and recall of what it draws.",
      "A folder of runs stands for the runs in it; other files are skipped. "
        + "Without images the table is made from the runs' metrics logs, and the exit code is "
        + "66.",
      "--html writes one self-contained page: verdicts with when a collapse began and which "
        + "sign came first, the differences between the runs' configurations, curves "
        + "from their logs, code frequencies, cosines by layer, singular values of the layers' "
        + "weights, the codebook's projection, and images with their errors. It works with mouse, touch and keyboard.",
      "A run that cannot be evaluated is listed as failed; the exit code is 65 then, or "
        + "that of its failure if no run could be evaluated.",
    ],
    examples: [
      "compare checkpoints/fsq checkpoints/vq",
      "compare checkpoints/* --data ~/photos --images 500",
      #"""
      compare checkpoints/fsq checkpoints/vq --html page.html \
        --title "FSQ or VQ"
      """#,
      "compare checkpoints/fsq checkpoints/prior --html r.html",
      #"""
      compare checkpoints/fsq checkpoints/vq --json - \
        | jq '.runs[].verdict'
      """#,
    ])

  @Argument(
    help: ArgumentHelp("Folders of runs, or folders that contain runs.", valueName: "checkpoint"))
  var checkpoints: [String]

  @Option(
    help: ArgumentHelp(
      "Folder, list or shards of images to evaluate on, instead of the first run's validation images.",
      valueName: "folder"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      "Ending of the image in the samples of --data, where these are shards; by default as the first run's "
        + "configuration says (data.member).", valueName: "ending"))
  var member: String?

  @Option(
    help: ArgumentHelp(
      "Images to evaluate on, spread evenly over the folder (default: as the first run's "
        + "configuration says).", valueName: "n"))
  var images: Int?

  @Option(
    help: ArgumentHelp(
      "Write everything as JSON; - for standard output, instead of the table.", valueName: "file"))
  var json: String?

  @Option(
    help: ArgumentHelp(
      "Write a PNG sheet: a row of originals, then a row of each run's reconstructions.",
      valueName: "file"))
  var samples: String?

  @Option(
    help: ArgumentHelp(
      "Write a page with verdicts, curves, codebooks and images, in one file.", valueName: "file"))
  var html: String?

  @Option(
    help: ArgumentHelp(
      "Title of the page.", valueName: "text"))
  var title: String?

  @Option(
    help: ArgumentHelp(
      "Notes under the page's title, such as what was tried and why.",
      valueName: "text"))
  var notes: String?

  @Flag(help: "Explain the numbers after the table.")
  var explain = false

  @OptionGroup var weights: WeightsOption

  @OptionGroup var options: CommandOptions

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    try requireNames("<checkpoint>", checkpoints)
    try requireName("--data", data)
    try requireName("--member", member)
    if member != nil, data == nil {
      throw ValidationError(
        "--member is the ending of images of --data: add it, or remove --member")
    }
    try requireName("--json", json)
    try requireName("--samples", samples)
    try requireName("--html", html)
    if let images, images < 1 {
      throw ValidationError("--images: expected at least 1, found \(images)")
    }
    if html == "-" {
      throw ValidationError("--html: expected the name of a file, such as report.html")
    }
  }

  /// Compares.
  public func run() throws {
    try conclude(options) { terminal in
      // Before the work, not after it.
      for path in [json == "-" ? nil : json, samples, html] { try path.map(Self.checkFolder) }
      let named = try RunFolders(checkpoints)
      for note in named.notes { terminal.say(note) }
      let runs = named.folders.map { folder in
        (folder, Result { try ComparedRun(Checkpoint(folder: folder)) })
      }
      try refuseImages(runs)
      let hasPriors = runs.contains { if case .prior? = try? $0.1.get() { true } else { false } }
      var failures: [Failure] = []
      let evaluator = try evaluator(runs, &failures, terminal)
      let isWithoutImages = !failures.isEmpty
      var entries: [Comparison.Entry] = []
      var details: [RunDetails?] = []
      for (folder, run) in runs {
        do {
          let (outcome, known) = try examine(
            folder, try run.get(), evaluator, place: entries.count, besidePriors: hasPriors,
            terminal)
          entries.append(
            .init(checkpoint: folder, outcome: outcome, configuration: known.configuration))
          details.append(known)
        } catch {
          let failure = Failure(error)
          failures.append(failure)
          entries.append(
            .init(checkpoint: folder, outcome: .failed(reason: failure.description)))
          details.append(nil)
        }
      }

      let comparison = Comparison(
        entries: entries, evaluationProtocol: evaluator?.evaluationProtocol)
      // Up to here a signal ends the command at once; what is being written is finished.
      Interruption.listen()
      try tell(comparison, evaluator?.sheet, terminal)
      try html.map { try writePage($0, comparison, details, evaluator?.gallery, terminal) }
      for failure in failures { terminal.fail(failure) }
      if Interruption.isRequested { throw ExitCode(Interruption.exitCode) }
      if let first = failures.first {
        let isAll = isWithoutImages || failures.count == runs.count
        throw ExitCode((isAll ? first.code : .badData).rawValue)
      }
    }
  }

  /// Whether singular values are wanted: the table has none.
  private var measuresSpectra: Bool { html != nil || json != nil }

  /// Refuses options about images where there is nothing but priors.
  private func refuseImages(_ runs: [(String, Result<ComparedRun, any Error>)]) throws {
    let given = [
      ("--data", data != nil), ("--images", images != nil), ("--samples", samples != nil),
    ].first { $0.1 }
    guard let (flag, _) = given,
      runs.allSatisfy({ if case .prior? = try? $0.1.get() { true } else { false } })
    else { return }
    throw Failure(
      .usage,
      "\(flag): expected a tokenizer to evaluate on images, found priors alone, whose bits are in their "
        + "logs. Name the tokenizers' folders too, or remove \(flag).")
  }

  /// What comes of a run, evaluated or read from its log, and what else is known of it.
  private func examine(
    _ folder: String, _ run: ComparedRun, _ evaluator: ComparisonEvaluator?, place: Int,
    besidePriors: Bool, _ terminal: Terminal
  ) throws -> (Comparison.Outcome, RunDetails) {
    switch run {
    case .tokenizer(let configuration):
      if let evaluator {
        let result = try evaluator.evaluate(folder, configuration, entry: place)
        return (.evaluated(result.run), result.details)
      }
      var result = try RecordedEntry.read(folder, configuration, withSamples: html != nil)
      if besidePriors || measuresSpectra {
        let opened = try? OpenedTokenizer(
          checkpoint: folder, weights: weights.file, threads: options.threadCount)
        if besidePriors { result.run.fingerprint = opened?.identity.fingerprint }
        if measuresSpectra, let parameters = opened?.parameters {
          result.run.spectra = try parameters.layerSpectra(bothUnfoldings: true)
        }
      }
      return (.recorded(result.run), result.details)
    case .model(let presentation, let configuration):
      var result = try RecordedEntry.readModel(folder, presentation, configuration)
      if presentation.drawsVectors {
        let entry = ComparedPrior(folder: folder, weights: weights.file)
        result.run.quality = entry.quality(terminal)
        if html != nil { result.details.drawn = entry.drawnImages(terminal) }
      }
      return (.recorded(result.run), result.details)
    case .prior(let configuration):
      let entry = ComparedPrior(folder: folder, weights: weights.file)
      var result = try entry.read(configuration)
      result.run.quality = entry.quality(terminal)
      var details = result.details
      if html != nil { details.drawn = entry.drawnImages(terminal) }
      return (.prior(result.run), details)
    }
  }

  /// What evaluates the runs on the images that the first readable one leads to; nil where no run can
  /// be read or there are no such images, which is a failure then.
  private func evaluator(
    _ runs: [(String, Result<ComparedRun, any Error>)], _ failures: inout [Failure],
    _ terminal: Terminal
  ) throws -> ComparisonEvaluator? {
    let leaders = runs.lazy.compactMap { folder, run -> (folder: String, run: RunConfiguration)? in
      if case .tokenizer(let run)? = try? run.get() { (folder, run) } else { nil }
    }
    guard let leader = leaders.first else { return nil }
    do {
      return ComparisonEvaluator(
        images: try ComparisonImages(
          data: data, member: member, count: images, leader: leader.run, folder: leader.folder,
          terminal),
        weights: weights.file, threads: options.threadCount, makesPage: html != nil,
        measuresSpectra: measuresSpectra, terminal: terminal)
    } catch let missing as MissingImages {
      failures.append(missing.failure)
      return nil
    }
  }

  private func tell(
    _ comparison: Comparison, _ sheet: ComparisonSheet?, _ terminal: Terminal
  ) throws {
    if json == "-" {
      terminal.output(comparison.json)
    } else {
      terminal.result(comparison.text(width: Self.outputWidth, explains: explain))
      if let json { try AtomicFile.write(comparison.json, to: json) }
    }
    if let samples, let sheet = sheet?.image {
      try ImageEncoder().write(sheet, to: samples, as: .png)
      let names = zip(comparison.names, comparison.entries).compactMap { name, entry in
        entry.run == nil ? nil : name
      }
      terminal.say("\(samples): originals, then \(names.joined(separator: ", "))")
    }
  }

  private func writePage(
    _ path: String, _ comparison: Comparison, _ details: [RunDetails?],
    _ gallery: ComparisonGallery?, _ terminal: Terminal
  ) throws {
    let pictures = try gallery?.pictures(entries: comparison.entries.count)
    let page = ReportPage(
      comparison, details: details, pictures: pictures, title: title, notes: notes,
      date: Date(), version: Release.version
    ).html
    try AtomicFile.write(page, to: path)
    terminal.say("\(path): a page of \(Display.count(page.utf8.count, "byte"))")
  }

  /// Whether a file can be created at a path, judging by its folder.
  private static func checkFolder(of path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder),
      isFolder.boolValue
    else {
      throw Failure(
        .cannotCreate,
        "\(path): expected a folder to write into, found none at \(folder). "
          + "Create it, or name another file.")
    }
  }

  /// Characters in a line of standard output; 100 where it is no terminal.
  static var outputWidth: Int {
    var size = winsize()
    guard isatty(STDOUT_FILENO) != 0, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0,
      size.ws_col > 20
    else { return 100 }
    return Int(size.ws_col)
  }
}
