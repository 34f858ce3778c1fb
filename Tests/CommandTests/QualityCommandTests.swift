import FileTestSupport
import Files
import Foundation
import Imaging
import Randomness
import Safetensors
import Testing

@Suite("quality by command")
struct QualityCommandTests {
  /// A tokenizer, a prior beside it, images and drawn images, made once for all tests.
  final class Made: Sendable {
    let scratch: ScratchFolder

    init() throws {
      scratch = try ScratchFolder()
      let tokenizer = try TinyCheckpoint.of(.fsq)
      try scratch.folder("checkpoints")
      try FileManager.default.copyItem(
        atPath: tokenizer.path, toPath: scratch.file("checkpoints/fsq"))
      try expectSuccess(
        "scenes", "--output", "scenes", "--count", "40", "--validation", "10",
        "--size", "32")
      try scratch.write(
        """
        {"kind": "prior", "data": {"tokens": ["tokens.safetensors"], "validationShare": 0.25},
         "model": {"width": 16, "layers": 1, "heads": 2},
         "training": {"steps": 2, "batchSize": 2},
         "monitor": {"logEvery": 1, "evaluateEvery": 2, "evaluationImages": 2}}
        """, to: "prior.json")
      try expectSuccess(
        "encode", "--checkpoint", "checkpoints/fsq", "--output", "tokens.safetensors",
        "scenes/train")
      try expectSuccess("train", "--config", "prior.json", "--output", "checkpoints/prior")
      try expectSuccess(
        "sample", "--checkpoint", "checkpoints/prior", "--count", "12", "--output", "drawn")
    }

    private func expectSuccess(_ arguments: String...) throws {
      let outcome = try CommandRunner.run("tessera", arguments + ["--quiet"], in: scratch.path)
      try #require(outcome.code == 0, "\(arguments): \(outcome)")
    }
  }

  private static let made: Result<Made, any Error> = Result {
    atexit {
      if let made = try? QualityCommandTests.made.get() {
        try? FileManager.default.removeItem(atPath: made.scratch.path)
      }
    }
    return try Made()
  }
  private let folder: ScratchFolder
  /// Names of this test's own.
  private let own = "own-\(UUID().uuidString)"

  init() throws { folder = try Self.made.get().scratch }

  private func quality(_ arguments: String...) throws -> CommandRunner.Outcome {
    try CommandRunner.run("tessera", ["quality"] + arguments, in: folder.path)
  }

  private func record(_ name: String) throws -> JSONObject {
    let text = try String(contentsOfFile: folder.file(name), encoding: .utf8)
    guard case .object(let object) = try JSONValue(parsing: text) else { throw NoNumber() }
    return object
  }

  /// A number of a record, as in `frechet`, `drawn`.
  private func number(_ record: JSONObject, _ part: String, _ key: String) throws -> Double {
    guard case .object(let object)? = record[part], let number = object[key]?.double else {
      throw NoNumber()
    }
    return number
  }

  private struct NoNumber: Error {}

  // MARK: Numbers

  @Test("all numbers with a tokenizer: a table, JSON, the same by any number of threads")
  func numbers() throws {
    func run(_ name: String, _ options: String...) throws -> CommandRunner.Outcome {
      try CommandRunner.run(
        "tessera",
        [
          "quality", "--real", "scenes/train", "--features", "checkpoints/fsq", "--json", name,
        ] + options + ["scenes/validation"], in: folder.path)
    }
    let outcome = try run(own + ".json")
    expect(
      outcome, 0, "10 drawn images in scenes/validation, 40 real images in scenes/train",
      "32x32 pixels, real ones as in training: shorter side at 32", "in 4x4 cells, fsq",
      "128 numbers", "SWD 32x32", "SWD 16x16", "SWD mean", "Fréchet", "precision", "recall",
      "warning: Fréchet distance: expected more images than the features have numbers, 128, found 10",
      "floor: one half of the real images")
    let found = try record(own + ".json")
    for part in ["swd", "frechet", "precision", "recall"] {
      #expect(try number(found, part, "n") == 10)
    }
    // Scenes are like scenes, random pixels are not.
    for part in ["swd", "frechet"] {
      let (drawn, floor, noise) = (
        try number(found, part, "drawn"), try number(found, part, "floor"),
        try number(found, part, "noise")
      )
      #expect(drawn > 0 && floor > 0 && noise > 1.2 * max(drawn, floor), "\(part): \(outcome)")
    }
    #expect(try number(found, "recall", "noise") <= number(found, "recall", "floor"))
    expect(try run(own + "-1.json", "--threads", "1"), 0)
    expect(try run(own + "-3.json", "--threads", "3", "--seed", "0"), 0)
    #expect(try record(own + "-1.json") == found && record(own + "-3.json") == found)
    expect(try run(own + "-seed.json", "--seed", "1"), 0)
    #expect(
      try number(record(own + "-seed.json"), "swd", "drawn") != number(found, "swd", "drawn"))
    let few = try run("-", "--count", "5")
    expect(few, 0, "\"n\": 5")
    #expect(few.output.hasPrefix("{") && !few.output.contains("measure"), "\(few)")
  }

  @Test("a folder against itself: half of it is the drawn images")
  func itself() throws {
    try folder.folder(own)
    for number in 0..<4 {
      // Each image twice, so that both halves may be alike.
      for copy in 0..<2 {
        try folder.write(
          SampleImages.png(32, 32, number: number), to: "\(own)/\(number)-\(copy).png")
      }
    }
    expect(
      try quality(
        "--real", own, "--features", "checkpoints/fsq", "--json", own + ".json", own), 0,
      "4 images in each set: half of the 8 real images",
      "For all 8 drawn ones, name a folder with twice as many")
    #expect(try number(record(own + ".json"), "frechet", "drawn") >= 0)
  }

  @Test("without features there is SWD alone, and the command says so")
  func patchesAlone() throws {
    let outcome = try quality("--real", "scenes/train", "drawn")
    expect(
      outcome, 0,
      "only SWD is measured: for Fréchet distance, precision and recall name a tokenizer",
      "scaled to cover that and cropped in the middle", "no features", "SWD mean")
    #expect(!outcome.output.contains("\nprecision"), "\(outcome)")
    let quiet = try quality("--quiet", "--real", "scenes/train", "drawn")
    #expect(quiet.errors.isEmpty && quiet.output == outcome.output, "\(quiet)")
  }

  @Test("real images of other sizes become what encode would make of them")
  func sizes() throws {
    for number in 0..<16 {
      let image = SampleImages.image(50 + number % 3, 41 + number % 5, number: number)
      for (name, image) in [
        ("wide", image), ("square", image.resizedToFill(width: 32, height: 32)),
      ] {
        try folder.write(
          ImageEncoder().encode(image, as: .png), to: "\(own)/\(name)/\(10 + number).png")
      }
    }
    for name in ["wide", "square"] {
      expect(
        try quality("--real", "\(own)/\(name)", "--json", "\(own)/\(name).json", "drawn"), 0)
    }
    let (wide, square) = (try record(own + "/wide.json"), try record(own + "/square.json"))
    #expect(wide["swd"] == square["swd"])
    guard case .object(let one)? = wide["real"], case .object(let other)? = square["real"] else {
      throw NoNumber()
    }
    #expect(one["hash"] == other["hash"] && one["hash"] != .null)
  }

  // MARK: Vectors of other programs

  private func write(
    _ tensors: [(name: String, type: ElementType, shape: [Int], values: [Double])], to name: String
  ) throws -> String {
    let path = folder.file(name)
    let writer = try SafetensorsWriter(
      path: path,
      tensors: tensors.map { TensorDeclaration(name: $0.name, type: $0.type, shape: $0.shape) })
    for entry in writer.entries {
      let tensor = tensors.first { $0.name == entry.name }!
      switch tensor.type {
      case .f64:
        try tensor.values.withUnsafeBytes { try writer.append($0, to: entry.name) }
      case .f32: try writer.append(tensor.values.map(Float.init), to: entry.name)
      default:
        try tensor.values.map { Int32($0) }.withUnsafeBytes {
          try writer.append($0, to: entry.name)
        }
      }
    }
    try writer.finish()
    return name
  }

  private static func vectors(_ count: Int, _ dimension: Int, around mean: Double) -> [Double] {
    var random = Generator(seed: 1)
    return (0..<count * dimension).map { _ in Double(Float(mean) + random.normal() / 64) }
  }

  @Test("a file of vectors needs no images; both types of numbers; a shift is its square")
  func featureFiles() throws {
    let (real, drawn) = (Self.vectors(100, 3, around: 0), Self.vectors(60, 3, around: 5))
    for type in [ElementType.f32, .f64] {
      let file = try write(
        [("real", type, [100, 3], real), ("drawn", type, [60, 3], drawn)],
        to: "\(own)-\(type).safetensors")
      let outcome = try quality("--features", file, "--json", "\(own)-\(type).json")
      expect(
        outcome, 0, "60 drawn images, 100 real images", "features: vectors of \(file), 3 numbers",
        "50 vectors in each set, of 60 drawn and 100 real ones")
      #expect(!outcome.output.contains("SWD 32x32"), "\(outcome)")
    }
    let found = try record(own + "-f64.json")
    #expect(found["frechet"] == (try record(own + "-f32.json"))["frechet"])
    #expect(abs(try number(found, "frechet", "drawn") - 75) < 0.3)
    #expect(try number(found, "frechet", "floor") < 0.01)
    #expect(try number(found, "precision", "drawn") == 0 && number(found, "recall", "drawn") == 0)
    #expect(try number(found, "precision", "floor") > 0.5)
    #expect(found["swd"] == .null && found["width"] == .null)
    // With images there is SWD too, at an n of its own.
    expect(
      try quality(
        "--real", "scenes/train", "--features", own + "-f32.safetensors", "--json", own + ".json",
        "drawn"), 0, "SWD 32x32", "Fréchet")
    let both = try record(own + ".json")
    #expect(try number(both, "swd", "n") == 12 && number(both, "frechet", "n") == 50)
  }

  @Test("files of vectors that are none: a sentence each, code 65")
  func wrongFeatureFiles() throws {
    let good = Self.vectors(10, 4, around: 0)
    var broken = good
    broken[9] = .nan
    let cases: [(tensors: [(String, ElementType, [Int], [Double])], words: String)] = [
      (
        [("real", .f32, [10, 4], good)],
        "expected tensors \"real\" [n, d] and \"drawn\" [m, d], found no \"drawn\" among \"real\""
      ),
      (
        [("real", .f32, [10, 4], good), ("drawn", .f32, [8, 5], good)],
        "vectors of one dimension, found shapes [10, 4] and [8, 5]"
      ),
      (
        [("real", .f32, [40], good), ("drawn", .f32, [10, 4], good)],
        "expected \"real\" of shape [vectors, numbers] with 1 to 4096 numbers, found [40]"
      ),
      (
        [("real", .f32, [10, 0], []), ("drawn", .f32, [10, 4], good)], "found [10, 0]"
      ),
      (
        [("real", .i32, [10, 4], good), ("drawn", .f32, [10, 4], good)],
        "tensor \"real\" is I32, expected F32 or F64"
      ),
      (
        [("real", .f64, [10, 4], good), ("drawn", .f64, [10, 4], broken)],
        "\"drawn\" holds nan in row 2, expected finite numbers"
      ),
      (
        [("real", .f32, [5, 8], good), ("drawn", .f32, [5, 8], good)],
        "expected at least 8 vectors in \"real\", for two disjoint halves, and 4 in \"drawn\", found 5 and 5"
      ),
      (
        [
          ("real", .f64, [10, 4], good.map { $0 * 1e200 }), ("drawn", .f64, [10, 4], good),
        ], "too large to be squared"
      ),
    ]
    for (index, test) in cases.enumerated() {
      let file = try write(
        test.tensors.map { ($0.0, $0.1, $0.2, $0.3) }, to: "\(own)-\(index).safetensors")
      expect(try quality("--features", file), 65, test.words)
    }
    try folder.write("{", to: own + "-cut.safetensors")
    expect(try quality("--features", own + "-cut.safetensors"), 65, "cut short")
    expect(try quality("--features", own + "-none.safetensors"), 66, own + "-none.safetensors")
    expect(
      try quality("--features", "checkpoints/fsq/model.safetensors"), 65,
      "found the weights of a run", "--features checkpoints/fsq")
  }

  // MARK: Images that cannot be measured

  @Test("too few images, several sizes, none at all: a sentence each")
  func refusals() throws {
    for number in 0..<3 {
      try folder.write(SampleImages.png(32, 32, number: number), to: "\(own)/few/\(number).png")
    }
    for number in 0..<8 {
      let side = number == 5 ? 24 : 32
      try folder.write(
        SampleImages.png(side, side, number: number), to: "\(own)/sizes/\(number).png")
      try folder.write(SampleImages.png(6, 9, number: number), to: "\(own)/tiny/\(number).png")
      try folder.write(SampleImages.png(64, 1, number: number), to: "\(own)/thin/\(number).png")
    }
    try folder.folder(own + "/empty")
    let real = "scenes/train"
    expect(
      try quality("--real", real, own + "/few"), 65,
      "\(own)/few: expected at least 4 images to measure, found 3")
    expect(
      try quality("--real", own + "/few", "drawn"), 65,
      "\(own)/few: expected at least 8 images for two disjoint halves, found 3")
    expect(
      try quality("--real", real, own + "/sizes"), 65,
      "\(own)/sizes: expected drawn images of one size, found", "24x24", "5.png")
    expect(
      try quality("--real", real, own + "/tiny"), 65, "expected at least 7x7 pixels", "found 6x9")
    expect(try quality("--real", real, own + "/empty"), 66, "\(own)/empty")
    expect(try quality("--real", own + "/empty", "drawn"), 66, "\(own)/empty")
    expect(try quality("--real", real, own + "/missing"), 66, "\(own)/missing")
    expect(try quality("--real", real), 64, "expected a folder of drawn images")
    expect(try quality("drawn"), 64, "--real: expected a folder of real images")
    expect(try quality("--real", real, "--count", "3", "drawn"), 64, "--count: expected at least 4")
    expect(
      try quality("--real", real, "--features", own + "/missing", "drawn"), 66,
      "expected the folder of a tokenizer or a safetensors file")
    expect(
      try quality("--real", real, "--features", "checkpoints/prior", "drawn"), 65,
      "expected the run of a tokenizer")
    expect(
      try quality("--real", real, "--record", own, "drawn"), 66, "expected the folder of a run")
  }

  @Test("what cannot be used is named and skipped; the numbers are there, and the code is 65")
  func skipped() throws {
    for number in 0..<9 {
      try folder.write(SampleImages.png(32, 32, number: number), to: "\(own)/\(number).png")
    }
    expect(try quality("--real", "scenes/train", "--json", own + "-whole.json", own), 0)
    try folder.write("no image", to: own + "/broken.png")
    try folder.write([], to: own + "/empty.png")
    let outcome = try quality("--real", "scenes/train", "--json", own + ".json", own)
    expect(
      outcome, 65, "warning: skipped: \(own)/broken.png", "SWD mean",
      "2 files skipped, for the reasons above; the numbers are those of the others")
    #expect(try number(record(own + ".json"), "swd", "n") == 9)
    for number in 0..<6 {
      try FileManager.default.removeItem(atPath: folder.file("\(own)/\(number).png"))
    }
    expect(
      try quality("--real", "scenes/train", own), 65,
      "expected at least 4 images to measure, found 3",
      "that can be used")
  }

  // MARK: Records

  @Test("a record lies in the run's folder, where compare finds it; features are the tokenizer's")
  func records() throws {
    let run = "checkpoints/\(own)"
    try FileManager.default.copyItem(
      atPath: folder.file("checkpoints/prior"), toPath: folder.file(run))
    let file = run + "/quality.json"
    let photos = folder.file("scenes/train")
    let outcome = try quality("--real", photos, "--record", run, "drawn")
    expect(
      outcome, 0, "features: the latents of", "checkpoints/fsq",
      "\(file): written; compare shows it")
    let found = try record(file)
    #expect(found["step"] == .integer(2) && found["seed"] == .integer(0))
    guard case .object(let real)? = found["real"] else { throw NoNumber() }
    #expect(real["folder"] == .string(photos) && real["images"] == .integer(40))

    func compare(_ options: String...) throws -> CommandRunner.Outcome {
      try CommandRunner.run(
        "tessera", ["compare", run, "checkpoints/prior"] + options, in: folder.path)
    }
    let compared = try compare("--json", own + ".json", "--html", own + ".html")
    expect(compared, 0, "Fréchet (floor)", "SWD (floor)", "precision", "recall")
    #expect(!compared.output.contains("step 2 of"), "\(compared)")
    guard case .array(let runs)? = try record(own + ".json")["runs"],
      case .object(let first)? = runs.first, case .object(let second)? = runs.last
    else { throw NoNumber() }
    #expect(first["quality"] == .object(found) && second["quality"] == nil)
    let page = try String(contentsOfFile: folder.file(own + ".html"), encoding: .utf8)
    #expect(page.contains("Fréchet (floor)") && !page.contains(folder.path))

    // Trained on since.
    var older = found
    older["step"] = .integer(1)
    try folder.write(JSONValue.object(older).prettyText, to: file)
    expect(try compare(), 0, "draws was measured at step 1 of 2")

    // Whatever lies there, the runs are compared.
    for text in ["", "{", "[]", "{\"format\": \"tessera quality\", \"version\": 2}", "\u{0}"] {
      try folder.write(text, to: file)
      let outcome = try compare()
      expect(outcome, 0, "warning: skipped: \(run)/quality.json: ", "Measure again", "bits/token")
      #expect(!outcome.output.contains("Fréchet"), "\(outcome)")
    }
  }

  @Test("a tokenizer's run is measured by its own latents; a run without its tokenizer by patches")
  func otherRuns() throws {
    let tokenizer = "checkpoints/\(own)"
    try FileManager.default.copyItem(
      atPath: folder.file("checkpoints/fsq"), toPath: folder.file(tokenizer))
    expect(
      try quality("--real", "scenes/train", "--record", tokenizer, "scenes/validation"), 0,
      "features: the latents of \(tokenizer)", "Fréchet")
    try folder.folder(own)
    try FileManager.default.copyItem(
      atPath: folder.file("checkpoints/prior"), toPath: folder.file(own + "/prior"))
    let alone = try quality("--real", "scenes/train", "--record", own + "/prior", "drawn")
    expect(alone, 0, "only SWD is measured")
    #expect(try record(own + "/prior/quality.json")["frechet"] == .null)
    let compared = try CommandRunner.run(
      "tessera", ["compare", own + "/prior"], in: folder.path)
    expect(compared, 0, "SWD (floor)")
  }
}
