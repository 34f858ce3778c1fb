import ArgumentParser
import Imaging
import Inference
import TokenFiles

/// Compares what tokens decode to, as read back from their file, with the model's forward pass.
struct TokenVerification {
  /// The codec.
  let codec: BoundedCodec
  /// How images were prepared.
  let preparation: Preparation
  /// The tokens as read back.
  let tokens: TokenFile
  /// Threads that read ahead.
  let threads: Int

  /// Compares all images, pixel for pixel, and says how many agree.
  ///
  /// Errors: images that differ, by name.
  func run(_ files: [ImageInput], _ terminal: Terminal) throws {
    var inputs: [[UInt8]: ImageInput] = [:]
    for file in files { inputs[Array(file.name.utf8)] = file }
    // Shards of an earlier run may hold images that were not named this time.
    let pairs = tokens.paths.enumerated().compactMap { index, name in
      inputs[Array(name.utf8)].map { (index: index, input: $0) }
    }
    let stream = ImageStream(pairs.map(\.input), preparation, threads: threads)
    defer { stream.stop() }
    let progress = ItemProgress(terminal, "verifying", total: pairs.count)
    var different: [String] = []
    while true {
      let portion = stream.next()
      if portion.isEmpty { break }
      if Interruption.isRequested { throw ExitCode(Interruption.exitCode) }
      let names = portion.map(\.input.name)
      let prepared = try portion.map { try $0.result.get() }
      let records = try portion.indices.map {
        try tokens.record(at: pairs[progress.done + $0].index)
      }
      let decoded = try codec.decode(records.map(\.grid), names: names)
      let expected = try codec.reconstruct(prepared.map(\.image), names: names)
      for index in portion.indices
      where decoded[index] != expected[index].image
        || (records[index].width, records[index].height)
          != (prepared[index].width, prepared[index].height)
      {
        different.append(names[index])
      }
      progress.advance(by: portion.count)
    }
    terminal.result(
      "verified: \(Display.count(pairs.count - different.count)) of "
        + "\(Display.count(pairs.count, "image")) decode to the pixels of the forward pass")
    if pairs.count < tokens.count {
      terminal.say(
        "not verified: \(Display.count(tokens.count - pairs.count, "image")) that are not among "
          + "the paths given")
    }
    guard different.isEmpty else {
      throw Failure(
        .internal,
        "these images decode differently: \(different.prefix(10).joined(separator: ", "))"
          + (different.count > 10 ? " and \(different.count - 10) more" : "")
          + ". Unless the files changed meanwhile, this is a fault of the program: please report "
          + "it.")
    }
  }
}

extension TokenRecord {
  /// The tokens as the codec takes them.
  var grid: TokenGrid {
    TokenGrid(
      height: gridHeight, width: gridWidth, depth: tokens.count / (gridHeight * gridWidth),
      indices: tokens.map { Int32($0) })
  }
}
