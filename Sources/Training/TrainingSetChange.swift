import Configuration
import Datasets

/// How the images to train on differ from those that a run was started with.
public struct TrainingSetChange: Sendable, Equatable {
  /// Names that are not there any more.
  public var missing: [String] = []
  /// Names that were not there before.
  public var new: [String] = []

  /// A difference.
  public init(missing: [String] = [], new: [String] = []) {
    self.missing = missing
    self.new = new
  }

  /// Whether there is no difference.
  public var isEmpty: Bool { missing.isEmpty && new.isEmpty }

  /// The difference in words, with the first few names.
  var description: String {
    func part(_ names: [String], _ what: String) -> String? {
      guard !names.isEmpty else { return nil }
      let shown = names.prefix(5).map { Checkpoint.quoted($0) }.joined(separator: ", ")
      return "\(names.count) \(what) (\(shown)\(names.count > 5 ? ", ..." : ""))"
    }
    return [part(missing, "missing"), part(new, "new")].compactMap { $0 }.joined(separator: " and ")
  }

  /// The log line.
  var line: JSONObject {
    JSONObject([
      "missing": .integer(missing.count), "new": .integer(new.count),
      "names": .array((missing + new).prefix(20).map(JSONValue.string)),
    ])
  }
}

extension Checkpoint {
  /// A name in quotation marks, on one line whatever it holds.
  static func quoted(_ name: String) -> String { JSONValue.string(name).compactText }
}

extension Trainer {
  /// The images of a resumed run: those that it was started with, in their order.
  ///
  /// Images that were found damaged are replaced as before, whether or not they were removed
  /// meanwhile, and so are those that cannot be decoded any more. Where hardly any were good, as while
  /// a disk was away, all are tried again. Other differences must be allowed; then the images that are
  /// there are trained on from here on, in the order of a run that had them from its start, and all
  /// are tried again too.
  ///
  /// - Returns: the difference, where it was allowed.
  func followImages(_ progress: inout Checkpoint.Progress) throws -> TrainingSetChange? {
    let present = dataset.training.files
    let isSame = Checkpoint.hash(ofNames: present) == progress.trainingSet
    let names = isSame ? present : checkpoint.readNames()
    if let names, Checkpoint.hash(ofNames: names) == progress.trainingSet {
      if allowed.contains(.images) || 2 * progress.replaced.count > names.count {
        (progress.replaced, progress.replacedValidation) = ([], [])
      }
      let (now, before, known) = (Set(present), Set(names), Set(progress.replaced))
      let gone = names.filter { !now.contains($0) }
      let rejected = Set(dataset.rejected.map(\.file))
      let change = TrainingSetChange(
        missing: gone.filter { !known.contains($0) && !rejected.contains($0) },
        new: present.filter { !before.contains($0) })
      if change.isEmpty {
        dataset = try dataset.following(
          names, damaged: known, damagedValidation: Set(progress.replacedValidation))
        if let first = gone.first(where: known.contains) {
          let count = gone.count(where: known.contains)
          observer.note(
            "\(Checkpoint.quoted(first))\(count > 1 ? " and \(count - 1) more" : "") was found damaged "
              + "earlier and no longer exists; the image that replaced it stays")
        }
        return nil
      }
      guard allowed.contains(.images) else {
        throw TrainingError.otherImages(folder: checkpoint.folder, change: change)
      }
      forgetImages(&progress)
      return change
    }
    guard allowed.contains(.images) else {
      throw TrainingError.otherImages(folder: checkpoint.folder, change: nil)
    }
    forgetImages(&progress)
    return TrainingSetChange()
  }

  private func forgetImages(_ progress: inout Checkpoint.Progress) {
    progress.trainingSet = trainingSetHash
    (progress.replaced, progress.replacedValidation) = ([], [])
  }

  var trainingSetHash: String { Checkpoint.hash(ofNames: dataset.training.files) }

  // MARK: Bad images

  /// Tells of images that were found bad, each once: those of a batch, or all that are known.
  ///
  /// - Parameter samples: the samples of the batch; nil for all.
  func tellReplacements(
    _ progress: inout Checkpoint.Progress, _ parts: Parts, samples: Range<Int>? = nil
  ) throws {
    let (order, diary) = (parts.loader.order, parts.diary)
    let damage = dataset.training.damage
    if !damage.isEmpty {
      let told = Set(progress.replaced)
      var indices =
        samples.map { Set($0.map(order.image(ofSample:))).sorted() }
        ?? damage.entries.map(\.index)
      // A replacement may be bad itself: all on the way to the good one were met.
      indices = indices.flatMap { index in
        var (chain, place) = ([Int](), index)
        while damage.contains(place) {
          chain.append(place)
          place = (place + 1) % dataset.training.count
        }
        return chain
      }
      var seen: Set<Int> = []
      for index in indices where seen.insert(index).inserted {
        let file = dataset.training.file(index)
        guard let reason = damage[index], !told.contains(file) else { continue }
        progress.replaced.append(file)
        try tell(
          file, reason, by: dataset.training.file(dataset.training.substitute(of: index)),
          of: "training", progress.step, diary)
      }
    }
    for entry in dataset.validation.damage.entries {
      let file = dataset.validation.file(entry.index)
      guard !progress.replacedValidation.contains(file) else { continue }
      progress.replacedValidation.append(file)
      try tell(
        file, entry.reason,
        by: dataset.validation.file(dataset.validation.substitute(of: entry.index)),
        of: "validation", progress.step, diary)
    }
  }

  private func tell(
    _ file: String, _ reason: String, by other: String, of set: String, _ step: Int,
    _ diary: RunDiary
  ) throws {
    observer.note("replaced by the next image: \(reason)")
    try diary.note(
      JSONObject([
        "kind": .string("replaced"), "step": .integer(step), "file": .string(file),
        "set": .string(set), "by": .string(other), "reason": .string(reason),
      ]))
  }
}
