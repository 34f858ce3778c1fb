import ArgumentParser
import Formatting
import Foundation
import TokenFiles
import Training

/// One of several shares of a set of images, as `--part 2/8` names it.
struct PartOption: ExpressibleByArgument, Equatable {
  let number: Int
  let total: Int

  init?(argument: String) {
    let numbers = argument.split(separator: "/", omittingEmptySubsequences: false)
    guard numbers.count == 2, let number = Int(numbers[0]), let total = Int(numbers[1]),
      (1...100_000).contains(total), (1...total).contains(number)
    else { return nil }
    (self.number, self.total) = (number, total)
  }
}

/// The parts of a token or latent file that several programs wrote, complete and of one set.
struct MergedParts {
  /// The parts, in order.
  let files: [EncodedImages]
  /// Images of the set.
  let images: Int
  /// Images of it that could not be used when they were encoded.
  let leftOut: Int

  /// Finds the parts beside an output, `NAME.part-1-of-N` and so on, and checks that they are one set: each
  /// is there, none of another set, tokenizer or recipe, no image twice.
  init(of output: TokenOutput) throws {
    let stem = output.stem
    let (numbers, total) = try Self.numbers(beside: stem)
    // Where there are more parts than images, some have none.
    let some = try Self.open(EncodedPart.stem(stem, numbers.min() ?? 1, of: total)).part
    let missing = (1...total).filter { number in
      !numbers.contains(number) && some.map { !$0.range(ofPart: number).isEmpty } ?? true
    }
    guard missing.isEmpty else {
      let names = missing.prefix(5).map(String.init).joined(separator: ", ")
      throw Failure(
        .noInput,
        "\(EncodedPart.stem(stem, missing[0], of: total)): expected all \(total) parts, and "
          + "\(missing.count) \(missing.count == 1 ? "is" : "are") missing: \(names)"
          + (missing.count > 5 ? " and more" : "")
          + ". Encode it: the same command with --part \(missing[0])/\(total). A part none of whose images can be "
          + "used cannot be: leave these images out, and encode all parts again")
    }
    var files: [EncodedImages] = []
    var first: (path: String, part: EncodedPart)?
    var names: Set<[UInt8]> = []
    var (encoded, share) = (0, 1)
    for number in 1...total where numbers.contains(number) {
      let path = EncodedPart.stem(stem, number, of: total)
      let file = try Self.open(path)
      guard let part = file.part, part.number == number, part.total == total else {
        throw Failure(
          .badData,
          "\(path): expected part \(number) of \(total), as its name says; its metadata say another. Encode "
            + "it again with --part \(number)/\(total)")
      }
      if let first, let earlier = files.first {
        guard part.isBeside(first.part) else {
          throw Failure(
            .badData,
            "\(path) is part of \(Display.count(part.images, "image")), and \(first.path) of "
              + "\(Display.count(first.part.images)): expected parts of one set, whose names are the same. "
              + "Encode both again from the same images")
        }
        if let difference = file.difference(from: earlier) {
          throw Failure(
            .badData,
            "\(path) and \(first.path) differ in their \(difference): expected parts of one encoding. Encode "
              + "both again with the same checkpoint and options")
        }
      } else {
        first = (path, part)
      }
      for name in file.paths where !names.insert(Array(name.utf8)).inserted {
        throw Failure(
          .badData, "\(path): \(name) is in another part too: expected each image once")
      }
      if file.isMirrored { share = 2 }
      guard file.count <= part.range.count * share else {
        throw Failure(
          .badData,
          "\(path) holds \(Display.count(file.count, "image")), more than the \(part.range.count) of its share"
        )
      }
      encoded += file.count
      files.append(file)
    }
    self.files = files
    images = first?.part.images ?? 0
    leftOut = images - encoded / share
  }

  /// The parts that are there, and how many there should be.
  private static func numbers(beside stem: String) throws -> (numbers: Set<Int>, total: Int) {
    let url = URL(fileURLWithPath: stem)
    let beginning = url.lastPathComponent + ".part-"
    let names =
      (try? FileManager.default.contentsOfDirectory(
        atPath: url.deletingLastPathComponent().path)) ?? []
    var found: [Int: Set<Int>] = [:]
    for name in names where name.hasPrefix(beginning) {
      guard
        let match = name.dropFirst(beginning.count).prefixMatch(
          of: /([0-9]{1,6})-of-([0-9]{1,6})(-[0-9]{5,})?\.(safetensors|npy|bin)$/),
        let number = Int(match.1), let total = Int(match.2), (1...max(1, total)).contains(number)
      else { continue }
      found[total, default: []].insert(number)
    }
    guard let (total, numbers) = found.first else {
      throw Failure(
        .noInput,
        "\(stem).part-1-of-N: expected parts of \(stem), found none. Encode with --part 1/N to --part N/N and "
          + "the same --output first")
    }
    guard found.count == 1 else {
      let totals = found.keys.sorted().map(String.init).joined(separator: " and ")
      throw Failure(
        .usage,
        "\(stem): there are parts of \(totals): expected those of one number of parts. Remove the others"
      )
    }
    return (numbers, total)
  }

  private static func open(_ path: String) throws -> EncodedImages {
    LatentFile.holdsLatents(path)
      ? .latents(try LatentFile.open(path: path)) : .tokens(try TokenFile.open(path: path))
  }
}

extension EncodedImages {
  /// Which share of a set it is.
  fileprivate var part: EncodedPart? {
    switch self {
    case .tokens(let file): file.part
    case .latents(let file): file.part
    }
  }

  fileprivate var isMirrored: Bool {
    if case .tokens(let file) = self { file.recipe.isMirrored } else { false }
  }

  /// What differs between two encodings of one set, in words; nil where nothing does.
  fileprivate func difference(from other: EncodedImages) -> String? {
    switch (self, other) {
    case (.tokens(let a), .tokens(let b)):
      if a.identity != b.identity { return "tokenizers" }
      if a.recipe != b.recipe { return "recipes" }
      return a.classes == b.classes ? nil : "classes"
    case (.latents(let a), .latents(let b)):
      if a.identity != b.identity { return "autoencoders" }
      if a.recipe != b.recipe { return "recipes" }
      if a.seed != b.seed { return "seeds" }
      if (a.rows, a.columns) != (b.rows, b.columns) { return "grids" }
      return a.classes == b.classes ? nil : "classes"
    default: return "kinds, tokens and latents"
    }
  }
}

extension EncodeCommand {
  /// Writes the parts of an output as one, in the order of the set.
  func mergeParts(_ terminal: Terminal) throws {
    let target = try TokenOutput(path: output, format: format?.format)
    try target.checkRoom(isForced: force)
    let parts = try MergedParts(of: target)
    Interruption.listen()
    let total = parts.files.reduce(0) { $0 + $1.count }
    let progress = ItemProgress(terminal, "merging", total: total)
    let text: String
    switch parts.files[0] {
    case .tokens(let first): text = try mergeTokens(parts, like: first, to: target, progress)
    case .latents(let first): text = try mergeLatents(parts, like: first, to: target, progress)
    }
    let left =
      parts.leftOut > 0
      ? "; \(parts.leftOut) of \(Display.count(parts.images, "image")) were left out when they were encoded"
      : ""
    terminal.result(text + "; merged from \(Display.count(parts.files.count, "part"))" + left)
  }

  private func mergeTokens(
    _ parts: MergedParts, like first: TokenFile, to target: TokenOutput, _ progress: ItemProgress
  ) throws -> String {
    if let option = latents.given {
      throw Failure(.usage, "\(option) is for latents, and these parts are tokens: remove it")
    }
    let writer = try explainingPieces {
      try TokenWriter(
        path: target.path, format: target.format, identity: first.identity,
        recipe: first.recipe, classes: first.classes, idType: dtype?.element,
        hasIndex: format == .megatron, shard: shard, resume: false, replace: force)
    }
    try explainingPieces {
      for case .tokens(let file) in parts.files {
        for index in 0..<file.count {
          if Interruption.isRequested { throw EncodingInterrupted() }
          try writer.append(file.record(at: index))
          progress.advance(by: 1)
        }
      }
      _ = try writer.finish()
    }
    let counts = try TokenSummary(TokenFile.open(path: target.path))
    if let summary {
      try EncodingReport.write(report(target, progress).json(counts), to: summary)
    }
    return counts.text(target.path, rate: progress.rate)
  }

  private func mergeLatents(
    _ parts: MergedParts, like first: LatentFile, to target: TokenOutput, _ progress: ItemProgress
  ) throws -> String {
    if latents.scale, first.scaling == nil {
      throw Failure(
        .usage,
        "--scale: the checkpoint of these parts has no quantizer.scalingFactor other than 1. Use "
          + "--standardize")
    }
    let writer = try explainingPieces {
      try LatentWriter(
        path: target.path, format: target.format, identity: first.identity, recipe: first.recipe,
        channels: first.channels, classes: first.classes, form: latents.form(first.scaling),
        scaling: first.scaling, seed: first.seed)
    }
    try explainingPieces {
      for case .latents(let file) in parts.files {
        for index in 0..<file.count {
          if Interruption.isRequested { throw EncodingInterrupted() }
          let size = file.size(of: index)
          try writer.append(
            LatentRecord(
              path: file.paths[index], width: size.width, height: size.height, rows: file.rows,
              columns: file.columns, latents: file.latents(of: index), label: file.label(of: index))
          )
          progress.advance(by: 1)
        }
      }
      _ = try writer.finish()
    }
    let file = try LatentFile.open(path: target.path)
    if let summary {
      try EncodingReport.write(report(target, progress).json(file), to: summary)
    }
    return file.summary(rate: progress.rate)
  }

  private func report(_ target: TokenOutput, _ progress: ItemProgress) -> EncodingReport {
    EncodingReport(
      output: target.path, rejections: [], work: (progress.done, progress.seconds), part: nil)
  }
}
