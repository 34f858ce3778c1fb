import FileTestSupport
import Foundation
import Safetensors
import Testing

/// What encode and decode say of a checkpoint that cannot be used.
@Suite("Broken checkpoints")
struct BrokenCheckpointTests {
  /// What is wrong with a copy of a good checkpoint.
  enum Damage: String, CaseIterable {
    case cutOff = "a model file that was cut off"
    case missingTensor = "a tensor that is missing"
    case otherShape = "a tensor of another shape"
    case otherVersion = "a version that is not known"
    case noModel = "no model file"
    case brokenConfiguration = "a configuration that is no JSON"
    case noCheckpoint = "nothing at all"

    /// The exit code, and what must be said.
    var expected: (code: Int32, words: [String]) {
      switch self {
      case .cutOff: (65, ["model.safetensors", "cut short"])
      case .missingTensor: (65, ["model.safetensors", "decoder.conv_in.weight"])
      case .otherShape: (65, ["model.safetensors", "decoder.conv_in.weight", "shape"])
      case .otherVersion: (65, ["model.safetensors", "expected version 1", "found 99"])
      case .noModel: (66, ["model.safetensors"])
      case .brokenConfiguration: (65, ["config.json"])
      case .noCheckpoint: (66, ["config.json", "expected a checkpoint"])
      }
    }
  }

  @Test("every fault is named, and nothing is written", arguments: Damage.allCases)
  func damaged(damage: Damage) throws {
    let folder = try ScratchFolder()
    let good = try TinyCheckpoint.of(.fsq)
    let path = folder.file("checkpoint")
    try FileManager.default.copyItem(atPath: good.path, toPath: path)
    try Self.apply(damage, to: path)
    let bad = TinyCheckpoint(kind: .fsq, path: path)
    try folder.write(SampleImages.png(32, 32), to: "in/a.png")
    let encoded = try bad.encode([folder.file("in")], to: folder.file("t.safetensors"))
    let tokens = folder.file("good.safetensors")
    #expect(try good.encode([folder.file("in")], to: tokens).code == 0)
    let decoded = try bad.decode(tokens, to: folder.file("out"))
    for outcome in [encoded, decoded] {
      #expect(outcome.code == damage.expected.code, "\(outcome)")
      #expect(outcome.output.isEmpty, "\(outcome)")
      for word in damage.expected.words {
        #expect(outcome.errors.contains(word), "\(word): \(outcome)")
      }
    }
    #expect(!FileManager.default.fileExists(atPath: folder.file("t.safetensors")))
    #expect(!FileManager.default.fileExists(atPath: folder.file("out")))
  }

  private static func apply(_ damage: Damage, to path: String) throws {
    let model = path + "/model.safetensors"
    switch damage {
    case .cutOff:
      let data = try Data(contentsOf: URL(fileURLWithPath: model))
      try data.dropLast(1000).write(to: URL(fileURLWithPath: model))
    case .missingTensor: try rewrite(model) { tensors, _ in tensors.removeAll(where: isChanged) }
    case .otherShape:
      try rewrite(model) { tensors, _ in
        for index in tensors.indices where isChanged(tensors[index]) { tensors[index].shape += [1] }
      }
    case .otherVersion: try rewrite(model) { _, metadata in metadata["tessera"] = "99" }
    case .noModel: try FileManager.default.removeItem(atPath: model)
    case .brokenConfiguration:
      try Data("{".utf8).write(to: URL(fileURLWithPath: path + "/config.json"))
    case .noCheckpoint: try FileManager.default.removeItem(atPath: path)
    }
  }

  private typealias Tensor = (name: String, shape: [Int], values: [Float])

  private static func isChanged(_ tensor: Tensor) -> Bool {
    tensor.name == "decoder.conv_in.weight"
  }

  private static func rewrite(
    _ path: String, _ change: (inout [Tensor], inout [String: String]) -> Void
  ) throws {
    let file = try SafetensorsFile(path: path)
    var tensors = try file.entries.map { ($0.name, $0.shape, try file.floats($0.name)) as Tensor }
    var metadata = file.metadata
    change(&tensors, &metadata)
    try SafetensorsWriter.write(tensors, metadata: metadata, to: path)
  }
}
