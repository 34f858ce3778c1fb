import Files
import ArgumentParser
import Configuration
import Datasets
import Execution
import Formatting
import Foundation
import Imaging
import Training

/// The options that name what is trained on and evaluated with: folders of images, or token files.
struct TrainingFolders: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Images to train on, instead of the configuration's: a folder, a list of paths (.txt), or WebDataset "
        + "shards (a .tar, a folder of them, or a quoted pattern such as 'shards/{000..099}.tar'); for a prior a token file, and "
        + "may be repeated.", valueName: "folder"))
  var data: [String] = []

  @Option(
    help: ArgumentHelp(
      "Folder, list or shards of images (token file) to evaluate on; images of a list are not trained on; with --data alone, a fraction of that is held "
        + "out.",
      valueName: "folder"))
  var validation: [String] = []

  func validate() throws {
    try requireNames("--data", data)
    try requireNames("--validation", validation)
  }

  /// The values that they set of a tokenizer's configuration.
  func assignments() throws -> [String] {
    for (name, folders) in [("--data", data), ("--validation", validation)]
    where folders.count > 1 {
      throw Failure(
        .usage,
        "\(name): expected one folder, found \(folders.count). "
          + (folders.contains(where: ImageSource.namesShards)
            ? "Name several shards by one pattern in quotes, as in 'shards/{000..099}.tar'."
            : "Put links to them into one."))
    }
    func text(_ value: String) -> String { JSONValue.string(value).compactText }
    var result: [String] = []
    if let data = data.first { result += ["data.train=" + text(data), "data.validation=null"] }
    if let validation = validation.first { result.append("data.validation=" + text(validation)) }
    return result
  }

  /// The values that they set of a prior's configuration.
  var tokenAssignments: [String] {
    func list(_ paths: [String]) -> String {
      JSONValue.array(paths.map(JSONValue.string)).compactText
    }
    var result: [String] = []
    if !data.isEmpty { result += ["data.tokens=" + list(data), "data.validation=[]"] }
    if !validation.isEmpty { result.append("data.validation=" + list(validation)) }
    return result
  }

  /// The values that they set of a continuous prior's configuration: folders are images, files latents.
  var vectorAssignments: [String] {
    guard let first = data.first ?? validation.first else { return [] }
    var isFolder: ObjCBool = false
    let isThere = FileManager.default.fileExists(atPath: first, isDirectory: &isFolder)
    guard isThere && !isFolder.boolValue && !ImageSource.standsForImages(first) else {
      func text(_ value: String) -> String { JSONValue.string(value).compactText }
      var result: [String] = []
      if let data = data.first {
        result += ["data.type=images", "data.train=" + text(data), "data.validation=null"]
      }
      if let validation = validation.first { result.append("data.validation=" + text(validation)) }
      return result
    }
    return (data.isEmpty ? [] : ["data.type=latents"])
      + tokenAssignments.map { $0.replacingOccurrences(of: "data.tokens=", with: "data.latents=") }
  }
}

/// Opens the images of a run, shows progress, and warns of those that cannot be used.
struct TrainingImages {
  private let run: RunConfiguration
  private let folders: RunImageFolders
  private let need: MemoryNeed
  private let terminal: Terminal

  /// Images in folders.
  ///
  /// - Parameter need: the memory that the run takes; decoded images are kept in what is left.
  init(
    _ run: RunConfiguration, folders: RunImageFolders, need: MemoryNeed, _ terminal: Terminal
  ) {
    (self.run, self.folders, self.need, self.terminal) = (run, folders, need, terminal)
  }

  func open() throws -> Dataset {
    let reading = ReadingProgress(terminal)
    let dataset = try Dataset(
      run, in: folders, beside: need, listing: ListingProgress(terminal).observer
    ) {
      [isQuiet = terminal.isQuiet] done, all in
      reading.report(done, all)
      // Nothing was written yet: no need to wait for the other files.
      guard Interruption.isRequested else { return }
      Terminal(isQuiet: isQuiet).say("stopped before anything was computed")
      _exit(Interruption.exitCode)
    }
    terminal.tell(
      rejected: dataset.rejected, doubtful: dataset.doubtful, notes: dataset.notes,
      transparentCount: dataset.transparentCount, transparency: run.data.transparency)
    return dataset
  }
}

extension Terminal {
  /// Reports which files are not used, and what is done to some of the images.
  func tell(
    rejected: [RejectedImage], doubtful: [RejectedImage] = [], notes: [String],
    transparentCount: Int, transparency: String
  ) {
    var leftOut = LeftOut(self)
    for image in rejected { leftOut.tell(image.reason, kind: "") }
    leftOut.finish()
    var used = LeftOut(self, doing: Self.used)
    for image in doubtful { used.tell(image.reason, kind: "") }
    used.finish()
    for note in notes { say(note) }
    tell(transparentCount: transparentCount, transparency: transparency)
  }

  /// Lists the images that were replaced during a run, since they cannot be decoded.
  func tell(replacedIn dataset: Dataset) {
    for (set, words) in [
      (dataset.training, "to train on"), (dataset.validation, "to evaluate with"),
    ] {
      let entries = set.damage.entries
      guard !entries.isEmpty else { continue }
      let names = entries.prefix(LeftOut.named).map { set.file($0.index) }
      warn(
        "\(Display.count(entries.count, "image")) \(words) cannot be used and "
          + "\(entries.count == 1 ? "was" : "were") replaced by the next: "
          + names.joined(separator: ", ")
          + (entries.count > names.count ? ", ... (all are in metrics.jsonl)" : ""))
    }
  }

  /// The label for damaged files that are used.
  static let used = "used although it is damaged"

  /// Reports once how many images have alpha, and what became of it.
  func tell(transparentCount: Int, transparency: String) {
    guard transparentCount > 0 else { return }
    say(
      "\(Display.count(transparentCount, "image")) \(transparentCount == 1 ? "has" : "have") "
        + "transparency (an alpha channel); \(transparency)")
  }
}

extension DataConfiguration {
  /// What becomes of transparent pixels, in words.
  var transparency: String { ImageRecipe(recipe).transparency(background) }
}

extension ImageRecipe {
  /// What becomes of transparent pixels, in words.
  ///
  /// - Parameter set: `data.background`.
  func transparency(_ set: String) -> String {
    switch name {
    case .tessera: "composited over \(set) (data.background)"
    case .chameleon: "composited over white (recipe chameleon)"
    case .adm, .torchvision, .diffusers: "alpha is dropped (recipe \(name.rawValue))"
    }
  }
}

/// Warns of files that are skipped: ten of each kind by name, the others by their number.
struct LeftOut {
  private let terminal: Terminal
  private let doing: String
  private var counts: [String: Int] = [:]
  private var order: [String] = []
  private var advice: [String: String] = [:]

  /// How many of one kind are named.
  static let named = 10

  /// Begins; `doing` is what happens to the files.
  init(_ terminal: Terminal, doing: String = "skipped") {
    self.terminal = terminal
    self.doing = doing
  }

  /// Reports one file; `advice` is shown once per kind, after the last file named.
  mutating func tell(_ reason: String, kind: String, advice: String? = nil) {
    if counts[kind] == nil { order.append(kind) }
    counts[kind, default: 0] += 1
    self.advice[kind] = self.advice[kind] ?? advice
    if counts[kind, default: 0] <= Self.named { terminal.warn("\(doing): \(reason)") }
  }

  /// Reports how many more there were, and what to do about them.
  func finish() {
    for kind in order {
      let more = counts[kind, default: 0] - Self.named
      if more > 0 {
        terminal.warn(
          "\(doing): \(Display.count(more, "more file"))\(kind.isEmpty ? "" : " that \(kind)")")
      }
      if let advice = advice[kind] { terminal.warn(advice) }
    }
  }
}
