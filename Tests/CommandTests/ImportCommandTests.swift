import FileTestSupport
import Foundation
import Safetensors
import SceneRendering
import Testing

/// `import` as its users run it; that ids are those of the peers is for `WeightExchangeTests`.
@Suite("import by command")
struct ImportCommandTests {
  private let folder: ScratchFolder

  init() throws {
    folder = try ScratchFolder()
    _ = try SceneDataset.write(
      count: 4, validation: 4, size: 32, seed: 3, to: folder.file("scenes"))
  }

  private func tessera(_ arguments: String...) throws -> CommandRunner.Outcome {
    try CommandRunner.run("tessera", arguments, in: folder.path)
  }

  /// A checkpoint of ours is one of diffusers' too: it goes out and comes back with the same ids.
  @Test func importedWeightsAreACheckpointAsAnyOther() throws {
    let tiny = try TinyCheckpoint.of(.vq).path
    try FileManager.default.copyItem(
      atPath: tiny + "/model.safetensors", toPath: folder.file("w.safetensors"))
    expect(
      try tessera(
        "import", "--weights", "w.safetensors", "--output", "in", "--norm-groups",
        String(try groups(tiny)), "--image-size", "32"), 0,
      "in: diffusers, vq", "tensors taken over")
    expect(
      try tessera("encode", "--checkpoint", "in", "--output", "a", "--verify", "scenes/train"), 0,
      "4 of 4 images decode to the pixels of the forward pass")
    expect(
      try tessera("encode", "--checkpoint", tiny, "--output", "b", "--size", "32", "scenes/train"),
      0)
    expect(try tessera("decode", "--checkpoint", "in", "--output", "out", "a.safetensors"), 0)
    expect(try tessera("compare", "in", "--data", "scenes/validation"), 0, "in")
    // It has no images, so that training asks for some.
    expect(
      try tessera("train", "--from", "in", "--steps", "2", "--output", "tuned"), 65, "data.train")
    expect(
      try tessera(
        "train", "--from", "in", "--data", "scenes/train", "--steps", "2", "--output", "tuned"), 0,
      "tuned")
    let tuned = try String(contentsOfFile: folder.file("tuned/config.json"), encoding: .utf8)
    #expect(!tuned.contains("origin"))
    expect(
      try tessera("train", "--config", "in/config.json", "--output", "x"), 64, "--from in")
    // What is there stays there.
    expect(
      try tessera("import", "--weights", "w.safetensors", "--output", "in"), 73, "in")
  }

  /// What encodes alone encodes as the whole does; whatever makes images is refused with a way out.
  @Test func anEncoderAloneEncodes() throws {
    let tiny = try TinyCheckpoint.of(.vq).path
    let whole = try SafetensorsFile(path: tiny + "/model.safetensors")
    let kept = whole.entries.filter {
      !$0.name.hasPrefix("decoder.") && !$0.name.hasPrefix("post_quant_conv.")
    }
    try SafetensorsWriter.write(
      try kept.map { ($0.name, $0.shape, try whole.floats($0.name)) }, metadata: [:],
      to: folder.file("encoder.safetensors"))
    let options = ["--norm-groups", String(try groups(tiny)), "--image-size", "32"]
    for (file, output) in [("encoder.safetensors", "half"), (tiny + "/model.safetensors", "whole")]
    {
      let outcome = try CommandRunner.run(
        "tessera", ["import", "--weights", file, "--output", output] + options, in: folder.path)
      expect(outcome, 0, "tensors taken over")
      #expect(outcome.errors.contains("an encoder alone") == (output == "half"), "\(outcome)")
      expect(
        try tessera("encode", "--checkpoint", output, "--output", output + ".npy", "scenes/train"),
        0)
    }
    #expect(
      try Data(contentsOf: URL(fileURLWithPath: folder.file("half.npy")))
        == Data(contentsOf: URL(fileURLWithPath: folder.file("whole.npy"))))
    let refusal = "half holds an encoder alone, imported from encoder.safetensors"
    for arguments in [
      ["decode", "--checkpoint", "half", "--output", "out", "half.npy"],
      ["encode", "--checkpoint", "half", "--output", "v.npy", "--verify", "scenes/train"],
      ["train", "--from", "half", "--data", "scenes/train", "--steps", "1", "--output", "x"],
      ["export", "--checkpoint", "half", "--to", "diffusers", "--output", "x"],
      ["compress", "--checkpoint", "half", "--energy", "0.9", "--output", "x"],
    ] {
      expect(try CommandRunner.run("tessera", arguments, in: folder.path), 64, refusal)
    }
    let compared = try tessera("compare", "half", "whole", "--data", "scenes/validation")
    #expect(compared.code != 0 && compared.errors.contains(refusal), "\(compared)")
    expect(
      try tessera("export", "--checkpoint", "half", "--to", "onnx", "--output", "onnx"), 0,
      "encode.onnx of")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.file("onnx")) == ["encode.onnx"])
  }

  private func groups(_ checkpoint: String) throws -> Int {
    let text = try String(contentsOfFile: checkpoint + "/config.json", encoding: .utf8)
    let match = try #require(text.firstMatch(of: /"normGroups": (\d+)/))
    return try #require(Int(match.1))
  }

  @Test func whatCannotBeImportedIsTold() throws {
    expect(try tessera("import", "--weights", "nothing.pt", "--output", "o"), 66, "nothing.pt")
    expect(
      try tessera("import", "--weights", "scenes", "--output", "o"), 65,
      "expected a file of weights, or a folder with one of")
    try folder.write("hello, world", to: "text.pt")
    expect(try tessera("import", "--weights", "text.pt", "--output", "o"), 65, "text.pt")
    expect(
      try tessera("import", "--weights", "text.pt", "--from", "x", "--output", "o"), 64, "llamagen")
    expect(
      try tessera("import", "--weights", "text.pt", "--image-size", "0", "--output", "o"), 64)
    #expect(!FileManager.default.fileExists(atPath: folder.file("o")))
  }

  /// The error names the tensor and the element, and no file is left that looks like a checkpoint.
  @Test func damagedNumbersAreTold() throws {
    let tiny = try TinyCheckpoint.of(.vq).path
    let whole = try SafetensorsFile(path: tiny + "/model.safetensors")
    let writer = try SafetensorsWriter(
      path: folder.file("nan.safetensors"),
      tensors: whole.entries.map {
        TensorDeclaration(name: $0.name, type: $0.type, shape: $0.shape)
      }, metadata: [:])
    for entry in writer.entries {
      var numbers = try whole.floats(entry.name)
      if entry.name == "quant_conv.bias" { numbers[1] = .nan }
      try writer.append(numbers, to: entry.name)
    }
    try writer.finish()
    expect(
      try tessera(
        "import", "--weights", "nan.safetensors", "--output", "o", "--norm-groups",
        String(try groups(tiny))), 65, "nan.safetensors", "element 1 of \"quant_conv.bias\" is nan")
    let left = try FileManager.default.contentsOfDirectory(atPath: folder.file("o"))
    #expect(!left.contains { $0.hasSuffix(".safetensors") || $0 == "config.json" }, "\(left)")
  }
}
