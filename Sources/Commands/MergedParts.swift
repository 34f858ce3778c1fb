import ArgumentParser
import Files
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

/// What one of several programs wrote of a set.
enum PartFile {
  case tokens(TokenFile)
  case latents(LatentFile)
  case samples(SampleShards)
}

/// The parts of a set that several programs encoded, complete and of one encoding.
struct MergedParts {
  /// The parts, in order.
  let files: [PartFile]
  /// Images of the set.
  let images: Int
  /// Images of it that could not be used when they were encoded.
  let leftOut: Int
  /// The first of these, and why.
  let rejections: [EncodingReport.Rejection]

  /// How many images the parts hold.
  var count: Int { files.reduce(0) { $0 + $1.count } }

  /// Finds the parts beside an output, `NAME.part-1-of-N` and so on, and checks that they are one set: each
  /// is there and complete, none of another set, tokenizer or recipe, no image missing or twice.
  ///
  /// - Parameter areSamples: whether they are shards of samples.
  init(of stem: String, areSamples: Bool) throws {
    let (numbers, total) = try Self.numbers(beside: stem, areSamples: areSamples)
    func open(_ number: Int) throws -> PartFile {
      try PartFile(stem: EncodedPart.stem(stem, number, of: total), areSamples: areSamples)
    }
    // Earlier versions wrote no file for a part without images.
    let some = try open(numbers.min() ?? 1).part
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
          + ". Encode it: the same command with --part \(missing[0])/\(total)")
    }
    var files: [PartFile] = []
    var first: (path: String, part: EncodedPart)?
    var names = NameSet()
    var rejections: [EncodingReport.Rejection] = []
    var encoded = 0
    for number in 1...total where numbers.contains(number) {
      let path = EncodedPart.stem(stem, number, of: total)
      let file = try open(number)
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
      for name in file.names where !names.insert(name) {
        throw Failure(
          .badData, "\(path): \(name) is in another part too: expected each image once")
      }
      try file.checkCount(of: part, path)
      encoded += file.count / file.share
      rejections += part.rejected ?? []
      files.append(file)
    }
    self.files = files
    images = first?.part.images ?? 0
    leftOut = images - encoded
    self.rejections = rejections
    guard encoded > 0 else {
      throw Failure(
        .badData,
        "\(stem): expected an image in some part, and none of the \(images) could be used when they were encoded"
          + (rejections.first.map { ". The first: " + $0.reason } ?? ""))
    }
  }

  /// The parts that are there, and how many there should be.
  private static func numbers(
    beside stem: String, areSamples: Bool
  ) throws -> (numbers: Set<Int>, total: Int) {
    let url = URL(fileURLWithPath: stem)
    let beginning = url.lastPathComponent + ".part-"
    let names =
      (try? FileManager.default.contentsOfDirectory(
        atPath: url.deletingLastPathComponent().path)) ?? []
    var found: [Int: Set<Int>] = [:]
    for name in names where name.hasPrefix(beginning) {
      guard
        let match = name.dropFirst(beginning.count).prefixMatch(
          of: /([0-9]{1,6})-of-([0-9]{1,6})(-[0-9]{5,})?\.(safetensors|npy|bin|json)$/),
        (match.4 == "json") == areSamples, let number = Int(match.1), let total = Int(match.2),
        (1...max(1, total)).contains(number)
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
}

extension PartFile {
  /// Opens a part.
  init(stem: String, areSamples: Bool) throws {
    if areSamples {
      self = .samples(try SampleShards(stem: stem))
    } else if LatentFile.holdsLatents(stem) {
      self = .latents(try LatentFile.open(path: stem, mayBeEmpty: true))
    } else {
      self = .tokens(try TokenFile.open(path: stem, mayBeEmpty: true))
    }
  }

  /// The number of images, mirror images too.
  var count: Int {
    switch self {
    case .tokens(let file): file.count
    case .latents(let file): file.count
    case .samples(let shards): shards.count
    }
  }

  /// The images' names, or the keys of their samples.
  fileprivate var names: NameList {
    switch self {
    case .tokens(let file): file.names
    case .latents(let file): file.names
    case .samples(let shards): shards.keys
    }
  }

  /// Which share of a set it is.
  fileprivate var part: EncodedPart? {
    switch self {
    case .tokens(let file): file.part
    case .latents(let file): file.part
    case .samples(let shards): shards.part
    }
  }

  /// How many images each file of the set makes: two with its mirror image.
  fileprivate var share: Int {
    let recipe: Recipe
    switch self {
    case .tokens(let file): recipe = file.recipe
    case .latents: return 1
    case .samples(let shards): recipe = shards.recipe
    }
    return recipe.isMirrored ? 2 : 1
  }

  /// Refuses a part that is not complete, or holds other images than it should.
  fileprivate func checkCount(of part: EncodedPart, _ path: String) throws {
    let again = "Encode it again with --part \(part.number)/\(part.total)"
    if case .samples = self {
      guard let expected = part.encodedCount, part.rejectedCount != nil else {
        throw Failure(
          .badData,
          "\(path).json: expected a complete part, found one that was stopped. \(again) and --resume"
        )
      }
      guard count == expected else {
        throw Failure(
          .badData,
          "\(path): expected \(Display.count(expected, "sample")), as \(path).json says, found "
            + "\(Display.count(count)). Copy all of its shards, or encode it again")
      }
    }
    // Earlier versions did not count what they left out.
    let images = part.range.count * share
    let most = images - (part.rejectedCount ?? 0) * share
    guard count == most || part.rejectedCount == nil && count <= most else {
      throw Failure(
        .badData,
        "\(path) holds \(Display.count(count, "image")), and \(Display.count(part.rejectedCount ?? 0)) could not be "
          + "used: expected the \(Display.count(images)) of its share. \(again)")
    }
  }

  /// What differs between two encodings of one set, in words; nil where nothing does.
  fileprivate func difference(from other: PartFile) -> String? {
    switch (self, other) {
    case (.tokens(let a), .tokens(let b)):
      if a.identity != b.identity { return "tokenizers" }
      if a.recipe != b.recipe { return "recipes" }
      return a.classes == b.classes ? nil : "classes"
    case (.samples(let a), .samples(let b)):
      if a.identity != b.identity { return "tokenizers" }
      if a.recipe != b.recipe { return "recipes" }
      return a.classes == b.classes ? nil : "classes"
    case (.latents(let a), .latents(let b)):
      if a.identity != b.identity { return "autoencoders" }
      if a.recipe != b.recipe { return "recipes" }
      if a.seed != b.seed { return "seeds" }
      if a.channels != b.channels || a.scaling != b.scaling { return "channels or scales" }
      // One without images has no grid.
      if a.count > 0, b.count > 0, (a.rows, a.columns) != (b.rows, b.columns) { return "grids" }
      return a.classes == b.classes ? nil : "classes"
    default: return "kinds, tokens and latents"
    }
  }
}
