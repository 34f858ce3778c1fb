import Files
import Configuration
import Datasets
import Foundation
import Ranks

/// How the images to train on differ from those that a run was started with.
public struct TrainingSetChange: Sendable, Equatable {
  /// Names that are not there any more.
  public var missing: [String] = []
  /// Names that were not there before.
  public var new: [String] = []
  /// Names, of images to evaluate with too, whose files hold something else now.
  public var changed: [String] = []

  /// A difference.
  public init(missing: [String] = [], new: [String] = [], changed: [String] = []) {
    self.missing = missing
    self.new = new
    self.changed = changed
  }

  /// Whether the names are the same.
  public var isEmpty: Bool { missing.isEmpty && new.isEmpty }

  /// The difference in words, with the first few names.
  var description: String {
    func part(_ names: [String], _ what: String) -> String? {
      guard !names.isEmpty else { return nil }
      let shown = names.prefix(5).map { Checkpoint.quoted($0) }.joined(separator: ", ")
      return "\(names.count) \(what) (\(shown)\(names.count > 5 ? ", ..." : ""))"
    }
    return [part(missing, "missing"), part(new, "new"), part(changed, "changed")]
      .compactMap { $0 }.joined(separator: " and ")
  }

  /// The log line.
  var line: JSONObject {
    JSONObject([
      "missing": .integer(missing.count), "new": .integer(new.count),
      "changed": .integer(changed.count),
      "names": .array((missing + new + changed).prefix(20).map(JSONValue.string)),
    ])
  }
}

extension Checkpoint {
  /// A name in quotation marks, on one line whatever it holds.
  static func quoted(_ name: String) -> String { JSONValue.string(name).compactText }
}

/// The images of a run: which they are, and which are replaced because they cannot be read.
///
/// As a callback it tells of images that were found bad, each once.
final class RunImages: TrainingCallback {
  /// The images to train on and to evaluate with.
  private(set) var dataset: Dataset
  /// The order in which they are trained on, once it is known which they are.
  private lazy var order = BatchOrder(
    count: dataset.training.count, batchSize: run.training.batchSize, seed: run.seed)

  private let run: RunConfiguration
  private let checkpoint: Checkpoint
  private let observer: any RunObserver
  private let group: ProcessGroup?
  /// Bad images to train on that all processes know of.
  private var shared: Set<Int> = []
  /// Images that were told of, by name: to train on, and to validate with.
  private var replaced: [String] = []
  private var replacedValidation: [String] = []
  private var step = 0

  /// The images of a run into a checkpoint's folder.
  ///
  /// - Parameter group: processes that each decode what they need of a batch.
  init(
    _ run: RunConfiguration, _ dataset: Dataset, in checkpoint: Checkpoint,
    group: ProcessGroup? = nil, observer: any RunObserver
  ) {
    self.run = run
    self.group = group
    self.dataset = dataset
    self.checkpoint = checkpoint
    self.observer = observer
  }

  /// The images of a resumed run: those that it was started with, in their order.
  ///
  /// Images that were found damaged are replaced as before, whether or not they were removed
  /// meanwhile, and so are those that cannot be decoded any more. Where hardly any were good, as while
  /// a disk was away, all are tried again. Other differences must be allowed; then the images that are
  /// there are trained on from here on, in the order of a run that had them from its start, and all
  /// are tried again too.
  ///
  /// Images whose files hold something else now are trained on as they are, and told.
  ///
  /// - Returns: the difference, where there is one and it was allowed.
  func follow(
    _ progress: inout Checkpoint.Progress, allowed: ResumeAllowance
  ) throws -> TrainingSetChange? {
    let present = dataset.training.files
    let isSame = Checkpoint.hash(ofNames: present) == progress.trainingSet
    let changed = TrainingSetChange(changed: dataset.changed)
    if !changed.changed.isEmpty {
      observer.note(
        "image files changed since the run last read them: \(changed.description). Training continues with "
          + "their current contents, so the result differs from that of an uninterrupted run")
    }
    let sameImages = changed.changed.isEmpty ? nil : changed
    if isSame, progress.replaced.isEmpty, progress.replacedValidation.isEmpty {
      return sameImages
    }
    let names = isSame ? Array(present) : checkpoint.readNames()
    if let names, Checkpoint.hash(ofNames: names) == progress.trainingSet {
      if allowed.contains(.images) || 2 * progress.replaced.count > names.count {
        (progress.replaced, progress.replacedValidation) = ([], [])
      }
      let (now, before, known) = (Set(present), Set(names), Set(progress.replaced))
      let gone = names.filter { !now.contains($0) }
      let rejected = Set(dataset.rejected.map(\.file))
      var change = TrainingSetChange(
        missing: gone.filter { !known.contains($0) && !rejected.contains($0) },
        new: present.filter { !before.contains($0) })
      if change.isEmpty {
        dataset = try dataset.following(
          NameList(names), damaged: known, damagedValidation: Set(progress.replacedValidation))
        if let first = gone.first(where: known.contains) {
          let count = gone.count(where: known.contains)
          observer.note(
            "\(Checkpoint.quoted(first))\(count > 1 ? " and \(count - 1) more" : "") was found damaged "
              + "earlier and no longer exists; the image that replaced it stays")
        }
        return sameImages
      }
      guard allowed.contains(.images) else {
        throw TrainingError.otherImages(folder: checkpoint.folder, change: change)
      }
      forget(&progress)
      change.changed = dataset.changed
      return change
    }
    guard allowed.contains(.images) else {
      throw TrainingError.otherImages(folder: checkpoint.folder, change: nil)
    }
    forget(&progress)
    return changed
  }

  private func forget(_ progress: inout Checkpoint.Progress) {
    progress.trainingSet = hash
    (progress.replaced, progress.replacedValidation) = ([], [])
  }

  /// A hash of the names of the images to train on.
  var hash: String { Checkpoint.hash(ofNames: dataset.training.files) }

  // MARK: Bad images

  /// Goes on with what a state knows of images that were replaced.
  func begin(_ progress: Checkpoint.Progress) {
    (replaced, replacedValidation) = (progress.replaced, progress.replacedValidation)
    step = progress.step
  }

  /// Tells of all that are known.
  func willBegin(_ diary: RunDiary) throws {
    try tell(of: dataset.training.damage.entries.map(\.index), diary)
  }

  /// Tells of those of the step's batch.
  func didStep(_ step: Int, _ diary: RunDiary) throws {
    self.step = step
    guard !dataset.training.damage.isEmpty || !dataset.validation.damage.isEmpty else { return }
    let samples = order.samples(ofStep: step - 1)
    try tell(of: Set(samples.map(order.image(ofSample:))).sorted(), diary)
  }

  /// Tells the other processes of images that this one found bad, and takes in what they found; to be called
  /// for each batch, before anything is made of it.
  func shareDamage() throws {
    guard let group else { return }
    let damage = dataset.training.damage
    let found = damage.isEmpty ? [] : damage.entries.filter { !shared.contains($0.index) }
    let counts = group.gather([Double(found.count)])
    try group.check()
    guard counts.contains(where: { $0[0] > 0 }) else { return }
    let text = try JSONEncoder().encode(found.map { [String($0.index), $0.reason] })
    let all = group.gather(bytes: Array(text))
    try group.check()
    for bytes in all {
      for entry in try JSONDecoder().decode([[String]].self, from: Data(bytes)) {
        guard entry.count == 2, let index = Int(entry[0]) else { continue }
        shared.insert(index)
        try damage.add(index, reason: entry[1])
      }
    }
  }

  func willSave(_ progress: inout Checkpoint.Progress) {
    (progress.replaced, progress.replacedValidation) = (replaced, replacedValidation)
  }

  private func tell(of indices: [Int], _ diary: RunDiary) throws {
    let damage = dataset.training.damage
    if !damage.isEmpty {
      let told = Set(replaced)
      // A replacement may be bad itself: all on the way to the good one were met.
      let met = indices.flatMap { index in
        var (chain, place) = ([Int](), index)
        while damage.contains(place) {
          chain.append(place)
          place = (place + 1) % dataset.training.count
        }
        return chain
      }
      var seen: Set<Int> = []
      for index in met where seen.insert(index).inserted {
        let file = dataset.training.file(index)
        guard let reason = damage[index], !told.contains(file) else { continue }
        replaced.append(file)
        try tell(
          file, reason, by: dataset.training.file(dataset.training.substitute(of: index)),
          of: "training", diary)
      }
    }
    for entry in dataset.validation.damage.entries {
      let file = dataset.validation.file(entry.index)
      guard !replacedValidation.contains(file) else { continue }
      replacedValidation.append(file)
      try tell(
        file, entry.reason,
        by: dataset.validation.file(dataset.validation.substitute(of: entry.index)),
        of: "validation", diary)
    }
  }

  private func tell(
    _ file: String, _ reason: String, by other: String, of set: String, _ diary: RunDiary
  ) throws {
    observer.note("replaced by the next image: \(reason)")
    try diary.note(
      JSONObject([
        "kind": .string("replaced"), "step": .integer(step), "file": .string(file),
        "set": .string(set), "by": .string(other),
        "count": .integer(replaced.count + replacedValidation.count), "reason": .string(reason),
      ]))
  }
}
