import Datasets
import Diagnostics
import Files
import Foundation
import Imaging
import Randomness
import Reports
import Synchronization
import Threads
import Training

/// The one set of images that runs are compared on.
///
/// The files are the same for all, spread evenly over the folder; no others are opened. The first
/// run's configuration says how they become squares; a run of another image size gets squares of its
/// own size, made in the same manner.
struct ComparisonImages {
  /// The images at one size.
  struct Squares {
    /// The images' paths within their folder.
    let files: [String]
    /// The squares.
    let images: [Image]
    /// Their side in pixels.
    let size: Int
    /// PSNR in dB of each image's mean colour.
    let baseline: Double
  }

  /// The folder of the images.
  let folder: String
  /// What they are, in words that follow a number.
  let kind: String
  /// How many there are to choose from.
  let total: Int
  private let listing: ImageSource
  /// Those that may be taken, as places in the listing.
  private let candidates: [Int]
  private let count: Int
  private let leader: RunConfiguration
  private let terminal: Terminal
  private var squares: [Int: Squares] = [:]

  /// Opens the images of a folder, or else the validation images of the leading run.
  init(
    data: String?, member: String? = nil, count: Int?, leader: RunConfiguration,
    folder leaderFolder: String,
    _ terminal: Terminal
  ) throws {
    self.leader = leader
    self.terminal = terminal
    self.count = count ?? leader.monitor.evaluationImages
    folder = try data ?? Self.folder(of: leader, in: leaderFolder)
    let watch = ListingProgress(terminal).observer
    listing = try Self.hinted(data, folder, leaderFolder) {
      // The run's own images have such a member; others may be files.
      try ImageSource(
        path: $0, member: member ?? leader.data.member, needsShards: data == nil || member != nil,
        listing: watch)
    }
    if data != nil {
      kind = "images"
      candidates = Array(listing.files.indices)
    } else if leader.data.validation != nil {
      kind = "validation images"
      candidates = Array(listing.files.indices)
    } else {
      kind = "images held out by \(leaderFolder)"
      let held = Self.split(listing, leader).validation
      // A single file cannot be held out; training evaluates on it too.
      candidates = held.isEmpty ? Array(listing.files.indices) : held
    }
    total = candidates.count
    terminal.tell(
      rejected: listing.leftOut, notes: listing.notes, transparentCount: 0,
      transparency: leader.data.transparency)
    let first = try Self.hinted(data, folder, leaderFolder) { [self] _ in
      try read(size: leader.data.imageSize)
    }
    squares[first.size] = first
  }

  /// Where a run's validation images are, or those that some were held out of.
  private static func folder(of run: RunConfiguration, in folder: String) throws -> String {
    let checkpoint = Checkpoint(folder: folder)
    do {
      return try checkpoint.validationFolder(run) ?? checkpoint.trainingFolder(run)
    } catch {
      throw MissingImages(error, folder: run.data.validation ?? run.data.train, of: folder)
    }
  }

  /// What a look at the folder gives; where the folder was not asked for, a failure says which it is
  /// and where images may be.
  private static func hinted<T>(
    _ data: String?, _ folder: String, _ run: String, _ look: (String) throws -> T
  ) throws -> T {
    do { return try look(folder) } catch  where data == nil {
      throw MissingImages(error, folder: folder, of: run)
    }
  }

  /// The images as squares of the given side.
  mutating func squares(size: Int) throws -> Squares {
    if let known = squares[size] { return known }
    let made = try read(size: size)
    squares[size] = made
    return made
  }

  /// How an image becomes a square, in words.
  var preparation: String {
    let name = leader.data.recipe
    if name != .tessera { return "the square in the middle, scaled by recipe = \(name.rawValue)" }
    switch leader.data.resize {
    case .none: return "the square in the middle, not scaled"
    case .cover:
      return leader.data.augmentation.resizedSide == leader.data.imageSize
        ? "the shorter side scaled to the square's, the square in the middle"
        : "the shorter side scaled to \(leader.data.augmentation.resizedSide) pixels for squares of "
          + "\(leader.data.imageSize), the square in the middle"
    }
  }

  /// How many images the training folder of the run in a folder has now, and how many of these it was
  /// trained on; nil where its images are not there.
  func training(_ run: RunConfiguration, in folder: String) -> (listed: Int, shared: Int)? {
    guard let set = squares.values.first,
      let place = try? Checkpoint(folder: folder).trainingFolder(run),
      var own = try? ImageSource(path: place, member: run.data.member)
    else { return nil }
    if let held = try? Checkpoint(folder: folder).validationFolder(run), ImageSource.isList(held),
      let rest = try? own.holdingOut(ImageSource(path: held, member: run.data.member))
    {
      own = rest
    }
    let indices =
      run.data.validation == nil ? Self.split(own, run).training : Array(own.files.indices)
    let (root, real) = (Self.real(own.folder), Self.real(listing.folder))
    let training = Set(indices.map { Array((root + "/" + own.files[$0]).utf8) })
    return (
      indices.count, set.files.count { training.contains(Array((real + "/" + $0).utf8)) }
    )
  }

  private static func split(_ listing: ImageSource, _ run: RunConfiguration) -> Split {
    Split(
      listing.files, validationShare: run.data.validationShare,
      seed: UInt64(bitPattern: Int64(run.training.seed)))
  }

  private static func real(_ folder: String) -> String {
    URL(fileURLWithPath: folder, isDirectory: true).resolvingSymlinksInPath().path
  }

  /// Reads images spread evenly over the candidates, on all cores.
  ///
  /// One that cannot be read is reported and replaced by the next that was not chosen.
  private func read(size: Int) throws -> Squares {
    let recipe = recipe(size: size)
    let (listing, chosen) = (self.listing, self.candidates)
    let taken = min(count, chosen.count)
    let places = (0..<taken).map { $0 * chosen.count / taken }
    let decoder = leader.data.decoder
    let found = Mutex((results: [Found?](repeating: nil, count: taken), done: 0))
    let progress = ReadingProgress(terminal)
    concurrently(taken) { index in
      let image = Self.square(listing.location(chosen[places[index]]), recipe, decoder)
      found.withLock { found in
        found.results[index] = image
        found.done += 1
        progress.report(found.done, taken)
      }
    }
    var transparentCount = 0
    var (files, images, rejected): ([String], [Image], [DatasetError]) = ([], [], [])
    var spare = Set(chosen.indices).subtracting(places)
    for (place, result) in zip(places, found.withLock { $0.results }) {
      var (place, result) = (place, result!)
      while case .failure(let error) = result {
        if case .tooSmall = error { throw error }
        rejected.append(error)
        guard let next = spare.filter({ $0 > place }).min() ?? spare.min() else { break }
        spare.remove(next)
        place = next
        result = Self.square(listing.location(chosen[place]), recipe, decoder)
      }
      if case .success((let image, let isTransparent)) = result {
        transparentCount += isTransparent ? 1 : 0
        files.append(listing.files[chosen[place]])
        images.append(image)
      }
    }
    if let first = rejected.first, images.isEmpty {
      throw DatasetError.noReadableImages(
        path: folder, count: rejected.count, first: first.description)
    }
    for error in rejected.prefix(10) { terminal.warn("skipped: \(error)") }
    if rejected.count > 10 {
      terminal.warn("skipped: \(rejected.count - 10) more files that cannot be decoded")
    }
    terminal.tell(transparentCount: transparentCount, transparency: leader.data.transparency)
    var baseline = MeanColourBaseline()
    for image in images { baseline.add(image.pixels) }
    return Squares(files: files, images: images, size: size, baseline: baseline.decibels ?? 0)
  }

  /// A square and whether its file may have transparent pixels, or what is wrong with the file.
  private typealias Found = Result<(image: Image, isTransparent: Bool), DatasetError>

  private static func square(
    _ location: ImageLocation, _ recipe: Augmentation, _ decoder: ImageDecoder
  ) -> Found {
    Result { () throws(DatasetError) in
      let file: ImageFile
      do throws(ImageError) { file = try decoder.open(location) } catch { throw .image(error) }
      _ = try recipe.preparedSize(
        width: file.header.width, height: file.header.height, file: location.name)
      let image: Image
      do throws(ImageError) { image = try file.decode() } catch { throw .image(error) }
      // No chance is left in the recipe, so nothing is drawn from this.
      var unused = Generator(seed: 0)
      return (
        recipe.sample(try recipe.prepared(image, file: location.name), random: &unused),
        file.header.hasTransparency
      )
    }
  }

  private func recipe(size: Int) -> Augmentation {
    let own = leader.data.augmentation.withoutChance
    guard size != own.size else { return own }
    return Augmentation(
      size: size, resize: own.resize,
      resizedSide: own.resize == .cover
        ? max(size, (own.resizedSide * size + own.size / 2) / own.size) : nil,
      crop: .centre, flips: false, recipe: own.recipe)
  }
}

/// There are no validation images: what was looked for, and where images may be.
struct MissingImages: Error {
  /// The failure, with the way out.
  let failure: Failure

  init(_ error: any Error, folder: String, of run: String) {
    let failure = Failure(error)
    let found = Self.candidates(folder, run)
    let hint =
      found.isEmpty
      ? "Name a folder of images with --data"
        + (folder.contains("scenes")
          ? ", or draw some: scenes --output data/scenes, then --data data/scenes/validation."
          : ".")
      : "Try --data \(found[0])" + (found.count > 1 ? ", or \(found[1])." : ".")
    self.failure = Failure(
      failure.code,
      "\(failure.description) These are the validation images of \(run). \(hint)")
  }

  /// Folders that are there and may be meant: the same one where the run lies, validation folders in
  /// `data`.
  private static func candidates(_ folder: String, _ run: String) -> [String] {
    let files = FileManager.default
    func isFolder(_ path: String) -> Bool {
      var isFolder: ObjCBool = false
      return files.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }
    var found: [String] = []
    if !folder.hasPrefix("/") {
      var place = URL(fileURLWithPath: run).standardizedFileURL.deletingLastPathComponent()
      while place.path != "/" {
        let path = place.appendingPathComponent(folder).path
        if isFolder(path), (try? ImageFolder(path: path)) != nil { found.append(path) }
        place.deleteLastPathComponent()
      }
    }
    let sets = ((try? files.contentsOfDirectory(atPath: "data")) ?? []).sorted()
    let usual = ["data/scenes/validation"] + sets.map { "data/\($0)/validation" }
    for path in usual where isFolder(path) && path != folder && !found.contains(path) {
      found.append(path)
    }
    return found
  }
}
