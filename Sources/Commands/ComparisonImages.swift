import Datasets
import Diagnostics
import Foundation
import Imaging
import Training

/// The one set of images that runs are compared on.
///
/// The files are the same for all. The first run's configuration says how they become squares; a
/// run of another image size gets squares of its own size, made in the same manner.
struct ComparisonImages {
  /// The images at one size.
  struct Squares {
    /// The images.
    let set: FixedSet
    /// PSNR in dB of each image's mean colour.
    let baseline: Double
  }

  /// The folder of the images.
  let folder: String
  /// Which of them, in words.
  private(set) var selection = ""
  /// How many images were asked for.
  private let count: Int
  private let leader: RunConfiguration
  private let holdsOut: Bool
  private var squares: [Int: Squares] = [:]

  /// Opens the images of a folder, or else the validation images of the leading run.
  init(
    data: String?, count: Int?, leader: RunConfiguration, folder leaderFolder: String,
    _ terminal: Terminal
  ) throws {
    self.leader = leader
    self.count = count ?? leader.monitor.evaluationImages
    folder = data ?? leader.data.validation ?? leader.data.train
    holdsOut = data == nil && leader.data.validation == nil
    do {
      let (set, rejected) = try open(size: leader.data.imageSize)
      for image in rejected.prefix(10) { terminal.warn("left out: \(image.reason)") }
      if rejected.count > 10 {
        terminal.warn("left out: \(rejected.count - 10) more files that cannot be decoded")
      }
      let taken = min(self.count, set.count)
      let spread = taken < set.count ? ", \(taken) of \(set.count) spread evenly" : ""
      selection =
        (holdsOut ? "those that \(leaderFolder) held out of its training" : "all its images")
        + spread
      squares[leader.data.imageSize] = try squares(of: set)
    } catch  where data == nil {
      let failure = Failure(error)
      throw Failure(
        failure.code,
        failure.description
          + " These are the validation images of \(leaderFolder); name others by --data.")
    }
  }

  /// The images as squares of the given side.
  mutating func squares(size: Int) throws -> Squares {
    if let known = squares[size] { return known }
    let made = try squares(of: open(size: size).set)
    squares[size] = made
    return made
  }

  /// How an image becomes a square, in words.
  var preparation: String {
    switch leader.data.resize {
    case .none: "the square in the middle, not scaled"
    case .cover:
      leader.data.augmentation.resizedSide == leader.data.imageSize
        ? "the shorter side scaled to the square's, the square in the middle"
        : "the shorter side scaled to \(leader.data.augmentation.resizedSide) pixels for squares of "
          + "\(leader.data.imageSize), the square in the middle"
    }
  }

  /// How many of the images a run was trained on; nil where its training folder is not there.
  func trained(_ run: RunConfiguration) -> Int? {
    guard let set = squares.values.first?.set,
      let listing = try? ImageFolder(path: run.data.train)
    else { return nil }
    var indices = Array(listing.files.indices)
    if run.data.validation == nil {
      let seed = UInt64(bitPattern: Int64(run.training.seed))
      indices = Split(listing.files, validationShare: run.data.validationShare, seed: seed).training
    }
    let (root, own) = (Self.real(listing.path), Self.real(folder))
    let training = Set(indices.map { root + "/" + listing.files[$0] })
    return set.files.count { training.contains(own + "/" + $0) }
  }

  private static func real(_ folder: String) -> String {
    URL(fileURLWithPath: folder, isDirectory: true).resolvingSymlinksInPath().path
  }

  private func squares(of set: ImageSet) throws -> Squares {
    let fixed = try FixedSet(set, count: count)
    var baseline = MeanColourBaseline()
    for image in fixed.images { baseline.add(image.pixels) }
    return Squares(set: fixed, baseline: baseline.decibels ?? 0)
  }

  private func open(size: Int) throws -> (set: ImageSet, rejected: [RejectedImage]) {
    let store = try ImageStore(
      folder: ImageFolder(path: folder), augmentation: recipe(size: size),
      cacheMegabytes: leader.data.cacheMegabytes)
    guard holdsOut else { return (ImageSet(store: store), store.rejected) }
    let seed = UInt64(bitPattern: Int64(leader.training.seed))
    let held = Split(
      store.files, validationShare: leader.data.validationShare, seed: seed
    ).validation
    // A single file cannot be held out; training evaluates on it too.
    return (
      held.isEmpty ? ImageSet(store: store) : ImageSet(store: store, indices: held),
      store.rejected
    )
  }

  private func recipe(size: Int) -> Augmentation {
    let own = leader.data.augmentation.withoutChance
    guard size != own.size else { return own }
    return Augmentation(
      size: size, resize: own.resize,
      resizedSide: own.resize == .cover
        ? max(size, (own.resizedSide * size + own.size / 2) / own.size) : nil,
      crop: .centre, flips: false)
  }
}
