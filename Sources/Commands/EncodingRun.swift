import Foundation
import Imaging
import Inference
import TokenFiles

/// Someone asked to stop before all images were encoded.
struct EncodingInterrupted: Error {}

/// The way from files to tokens: read ahead, encode in lanes, write, in portions of bounded size.
struct EncodingRun {
  /// What computes.
  let codec: BoundedCodec
  /// What is done to images first.
  let preparation: Preparation
  /// Where tokens go.
  let writer: TokenWriter
  /// Threads that compute; as many read ahead.
  let threads: Int
  /// What else must fit into memory for an image to be accepted.
  let alsoChecks: [BoundedCodec.Task]

  /// Encodes all files that can be, tells of the others, and returns how many those are.
  func encode(
    _ files: [ImageInput], _ terminal: Terminal, _ progress: ItemProgress
  ) throws -> Int {
    let stream = ImageStream(files, preparation, threads: threads)
    defer { stream.stop() }
    let appending = TokenAppending(to: writer)
    defer { appending.stop() }
    var rejected = 0
    while true {
      let portion = stream.next()
      if portion.isEmpty {
        try appending.finish()
        return rejected
      }
      if Interruption.isRequested { throw EncodingInterrupted() }
      var names: [String] = []
      var images: [PreparedImage] = []
      for item in portion {
        do {
          let prepared = try item.result.get()
          try codec.check(
            [.encode] + alsoChecks, height: prepared.image.height, width: prepared.image.width,
            name: item.input.path)
          names.append(item.input.name)
          images.append(prepared)
        } catch let error as ImageError where error.isExhaustion {
          throw error
        } catch {
          rejected += 1
          terminal.warn("left out: \(Failure(error).description)")
        }
      }
      let grids = try codec.encode(images.map(\.image), names: names)
      try appending.append(
        zip(zip(names, images), grids).map { image, grid in
          let (name, prepared) = image
          return TokenRecord(
            path: name, width: prepared.width, height: prepared.height,
            paddedWidth: prepared.image.width, paddedHeight: prepared.image.height,
            gridHeight: grid.height, gridWidth: grid.width,
            tokens: grid.indices.map { UInt32($0) })
        })
      progress.advance(by: portion.count)
    }
  }
}
