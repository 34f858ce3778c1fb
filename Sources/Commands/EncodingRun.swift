import Datasets
import Formatting
import Foundation
import Imaging
import Inference
import Randomness
import Synchronization
import Threads
import TokenFiles

/// A stop was requested before all images were encoded or decoded.
struct EncodingInterrupted: Error {}

/// The way from files to tokens: read ahead, encode in lanes, write, in portions of bounded size.
struct EncodingRun {
  /// The codec.
  let codec: BoundedCodec
  /// How images are prepared.
  let preparation: Preparation
  /// Where the results go.
  let target: Target
  /// Threads that compute; as many read ahead.
  let threads: Int
  /// What else must fit into memory for an image to be accepted.
  let alsoChecks: [BoundedCodec.Task]

  /// The writer of a token file, of samples, or of latents.
  enum Target {
    case tokens(TokenWriter)
    case samples(SampleShardWriter)
    /// Means, or latents drawn by a seed.
    case latents(LatentWriter, drawnBy: UInt64?)

    /// What the codec does.
    var task: BoundedCodec.Task {
      if case .latents(_, .some) = self { .draw } else { .encode }
    }
  }

  /// The outcome for all files.
  struct Outcome {
    /// Files that were skipped, in order.
    var rejections: [EncodingReport.Rejection] = []
    /// How many.
    var rejected: Int { rejections.count }
    /// Images that may have had transparent pixels.
    var transparent = 0
    /// Images whose size was changed.
    var resized = 0
    /// The largest of them, in its file.
    var largest = PreparedImage.Extent(width: 0, height: 0)
  }

  /// Encodes all usable files, and warns of the others.
  func encode(
    _ files: ImageInputList, _ terminal: Terminal, _ progress: ItemProgress
  ) throws -> Outcome {
    let stream = ImageStream(files, preparation, threads: threads)
    defer { stream.stop() }
    let appending = Appending()
    defer { appending.stop() }
    var outcome = Outcome()
    var leftOut = LeftOut(terminal)
    var used = LeftOut(terminal, doing: Terminal.used)
    while true {
      let portion = stream.next()
      if portion.isEmpty {
        try appending.finish()
        leftOut.finish()
        used.finish()
        return outcome
      }
      if Interruption.isRequested { throw EncodingInterrupted() }
      var inputs: [ImageInput] = []
      var images: [PreparedImage] = []
      for item in portion {
        do {
          let prepared = try item.result.get()
          try codec.check(
            [target.task] + alsoChecks, height: prepared.image.height, width: prepared.image.width,
            name: item.input.path)
          inputs.append(item.input)
          images.append(prepared)
          // A file and its mirror image are one to whoever reads of them.
          if item.input.isMirrored { continue }
          outcome.add(prepared)
          if let doubt = prepared.doubt { used.tell("\(item.input.path): \(doubt)", kind: "") }
        } catch let error as ImageError where error.isExhaustion {
          throw error
        } catch  where item.input.isMirrored {
          continue
        } catch {
          let (kind, advice) = Self.kind(of: error, preparation)
          let reason = Self.reason(error, preparation)
          outcome.rejections.append(.init(path: item.input.path, reason: reason))
          leftOut.tell(reason, kind: kind, advice: advice)
        }
      }
      switch target {
      case .tokens, .samples:
        let grids = try codec.encode(images.map(\.image), names: inputs.map(\.name))
        try appending.append(
          zip(zip(inputs, images), grids).map { image, grid in
            let (input, prepared) = image
            return TokenRecord(
              path: input.name, width: prepared.width, height: prepared.height,
              paddedWidth: prepared.image.width, paddedHeight: prepared.image.height,
              gridHeight: grid.height, gridWidth: grid.width,
              tokens: grid.indices.map { UInt32($0) }, label: input.label)
          }, by: target.append)
      case .latents(let writer, let seed):
        let names = inputs.map(\.name)
        // By name, not by place: an image's draw does not depend on which others there are.
        let keys = seed.map { seed in
          names.map { name in
            var generator = Generator(seed: seed).split(named: name)
            return Int32(truncatingIfNeeded: generator.next())
          }
        }
        let grids = try codec.latents(images.map(\.image), drawnBy: keys, names: names)
        try appending.append(
          zip(zip(inputs, images), grids).map { image, grid in
            let (input, prepared) = image
            return LatentRecord(
              path: input.name, width: prepared.width, height: prepared.height,
              rows: grid.height, columns: grid.width, latents: grid.numbers, label: input.label)
          }, by: { try writer.append($0) })
      }
      progress.advance(by: portion.count)
    }
  }

  /// What is wrong with a file, with what can be done about it here.
  private static func reason(_ error: any Error, _ preparation: Preparation) -> String {
    guard let error = error as? DatasetError,
      case .tooSmall(let file, let width, let height, let needed, _) = error
    else { return Failure(error).description }
    return "\(file): expected at least \(needed)x\(needed) pixels, as in training, found "
      + "\(width)x\(height)"
  }

  /// What files have in common of which ten by name are enough, and what to do about all of them.
  private static func kind(
    of error: any Error, _ preparation: Preparation
  ) -> (kind: String, advice: String?) {
    switch error {
    case DatasetError.tooSmall:
      let side = preparation.augmentation.size
      return (
        "are smaller than the \(side)x\(side) pixels of training",
        "to encode images smaller than \(side)x\(side) pixels, add --size native, or --size "
          + "\(side)x\(side) to scale every image to cover that size"
      )
    case DatasetError.tooThin: return ("are too long and thin", nil)
    case let error as ImageError: return (error.kindInWords, nil)
    default: return ("cannot be used for other reasons", nil)
    }
  }
}

extension ImageError {
  /// What is wrong with files of this kind, in words that follow "that".
  var kindInWords: String {
    switch self {
    case .unreadable, .changed: "cannot be read"
    case .exhausted: "cannot be opened for lack of file handles or memory"
    case .empty: "are empty"
    case .notAnImage: "are neither PNG nor JPEG"
    case .corrupt: "cannot be decoded"
    case .tooManyPixels, .tooManyBytes: "are beyond the limit of pixels"
    case .cannotEncode, .cannotWrite: "cannot be used"
    }
  }
}

extension EncodingRun.Outcome {
  /// Counts an image.
  fileprivate mutating func add(_ image: PreparedImage) {
    if image.isTransparent { transparent += 1 }
    guard image.original != PreparedImage.Extent(width: image.width, height: image.height) else {
      return
    }
    resized += 1
    if image.original.width * image.original.height > largest.width * largest.height {
      largest = image.original
    }
  }

  /// What became of the images' sizes; nil where they kept them.
  ///
  /// - Parameter cells: what a grid is made of.
  func sizes(_ preparation: Preparation, cells: String = "tokens") -> String? {
    let size: PreparedImage.Extent
    switch preparation.mode {
    case .native: return nil
    case .model:
      size = .init(width: preparation.augmentation.size, height: preparation.augmentation.size)
    case .fixed(let width, let height): size = .init(width: width, height: height)
    }
    guard resized > 0 else { return nil }
    let side = preparation.downsampling
    return
      "\(Display.count(resized, "image")) resized or cropped: "
      + "\(resized > 1 ? "up to " : "")\(largest.width)x\(largest.height) -> "
      + "\(size.width)x\(size.height) pixels -> \(size.height / side)x\(size.width / side) \(cells)"
      + (preparation.mode == .model ? "; --size native keeps sizes" : "")
  }
}

extension EncodingRun.Target {
  /// Leaves nothing behind where no image could be used.
  func discard() { if case .samples(let writer) = self { writer.discard() } }

  /// Gives a record to its writer.
  fileprivate func append(_ record: TokenRecord) throws {
    switch self {
    case .tokens(let writer): try writer.append(record)
    case .samples(let writer): try writer.append(record)
    case .latents: preconditionFailure("latents are no tokens")
    }
  }
}

/// Gives results to their writer in a thread of its own, one portion while the next one is computed.
final class Appending: @unchecked Sendable {
  // Unchecked: a portion is begun only after the one before has ended, and nobody else has the
  // writer meanwhile.
  private let work = BackgroundWork("writer")
  private let failure = Mutex<(any Error)?>(nil)

  /// A portion on its way; nobody else has it, nor its writer, until it has ended.
  private struct Portion<Record>: @unchecked Sendable {
    let records: [Record]
    let write: (Record) throws -> Void
  }

  /// Begins to append a portion, once the one before has been.
  ///
  /// Errors: what kept the portion before from being written.
  func append<Record>(_ records: [Record], by write: @escaping (Record) throws -> Void) throws {
    try finish()
    let portion = Portion(records: records, write: write)
    work.start { [self] in
      do { for record in portion.records { try portion.write(record) } } catch {
        failure.withLock { $0 = error }
      }
    }
  }

  /// Waits until the writer has everything.
  ///
  /// Errors: what kept it from being written.
  func finish() throws {
    work.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// Waits, when something else has gone wrong already.
  func stop() { work.wait() }
}
