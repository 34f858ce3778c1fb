import FileTestSupport
import Foundation
import Imaging
import Testing
import TokenFiles

/// The Python of docs/tokens.md does what is said of it.
@Suite("docs/tokens.md", .enabled(if: PythonPeer.numpy.isHere, "\(PythonPeer.numpy.absence)"))
struct TokenDocumentTests {
  /// The example in Python that holds some words.
  private static func example(with words: String) throws -> String {
    let file = CommandRunner.repository.appendingPathComponent("docs/tokens.md")
    let text = try String(contentsOf: file, encoding: .utf8)
    let examples = text.components(separatedBy: "```python\n").dropFirst().map {
      $0.components(separatedBy: "```")[0]
    }
    let found = examples.filter { $0.contains(words) }
    try #require(found.count == 1, "\(words)")
    return found[0]
  }

  private func run(
    _ words: String, adding script: String = "", in folder: ScratchFolder,
    by peer: PythonPeer = .numpy
  ) throws -> String {
    let example = try Self.example(with: words)
    return try peer.run(
      script: "import os, sys; os.chdir(sys.argv[1])\n" + example + "\n" + script, [folder.path])
  }

  /// Two images of two classes, in every format; as many ids as a file has.
  private func encoded(_ kind: TinyCheckpoint.Kind) throws -> (folder: ScratchFolder, ids: [UInt32])
  {
    let checkpoint = try TinyCheckpoint.of(kind)
    let folder = try ScratchFolder()
    for (number, name) in ["cats", "dogs"].enumerated() {
      try folder.write(SampleImages.png(40, 40, number: number), to: "in/\(name)/a.png")
    }
    for options in [["safetensors"], ["npy"], ["megatron"]] {
      let outcome = try checkpoint.encode(
        [folder.file("in")], to: folder.file("tokens"), ["--size", "32", "--format"] + options)
      #expect(outcome.code == 0, "\(outcome)")
    }
    let file = try TokenFile.open(path: folder.file("tokens.safetensors"))
    return (folder, try (0..<file.count).flatMap { try file.record(at: $0).tokens })
  }

  @Test("ids that numpy drew are decoded")
  func drawing() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    _ = try run("what your model drew", in: folder)
    for name in ["drawn.safetensors", "drawn.npy"] {
      let outcome = try checkpoint.decode(folder.file(name), to: folder.file("out " + name))
      #expect(outcome.code == 0, "\(outcome)")
      #expect(outcome.errors.contains("does not name its tokenizer"), "\(outcome)")
    }
    for number in 1...4 {
      let image = try SampleImages.read(folder.file("out drawn.npy/0000\(number).png"))
      #expect(image.width == 32 && image.height == 32)
      #expect(
        try SampleImages.read(folder.file("out drawn.safetensors/0000\(number).png")) == image)
    }
  }

  @Test(
    "ids with the tokenizer's name are decoded by it alone",
    arguments: [TinyCheckpoint.Kind.fsq, .residual])
  func naming(kind: TinyCheckpoint.Kind) throws {
    let (folder, _) = try encoded(kind)
    // What was drawn are the tokens of encode, without a word on them.
    _ = try PythonPeer.numpy.run(
      script: """
        import os, sys; os.chdir(sys.argv[1])
        from safetensors.numpy import load_file, save_file
        save_file({"tokens": load_file("tokens.safetensors")["tokens"]}, "drawn.safetensors")
        """, [folder.path])
    _ = try run("named.safetensors", in: folder)
    let checkpoint = try TinyCheckpoint.of(kind)
    let named = try checkpoint.decode(folder.file("named.safetensors"), to: folder.file("named"))
    #expect(named.code == 0, "\(named)")
    #expect(!named.errors.contains("does not name its tokenizer"), "\(named)")
    let encoded = try checkpoint.decode(folder.file("tokens.safetensors"), to: folder.file("out"))
    #expect(encoded.code == 0, "\(encoded)")
    for (number, name) in ["cats", "dogs"].enumerated() {
      #expect(
        try SampleImages.read(folder.file("named/0000\(number + 1).png"))
          == SampleImages.read(folder.file("out/\(name)/a.png")))
    }
    let other = try TinyCheckpoint.of(.vq).decode(
      folder.file("named.safetensors"), to: folder.file("other"))
    #expect(other.code == 65, "\(other)")
  }

  @Test("what encode wrote is read")
  func reading() throws {
    let (folder, _) = try encoded(.fsq)
    let output = try run("get_tensor", in: folder)
    #expect(output.contains("uint16 (2, 16, 16) cats/a.png 0 ['cats', 'dogs']"), "\(output)")
  }

  @Test(
    "flat ids are read whatever their type",
    .enabled(if: PythonPeer.diffusers.isHere, "\(PythonPeer.diffusers.absence)"),
    arguments: [TinyCheckpoint.Kind.rotation, .fsq, .bsq])
  func flat(kind: TinyCheckpoint.Kind) throws {
    let (folder, ids) = try encoded(kind)
    let output = try run(
      "numpy.memmap", adding: "print(len(ids), x.tolist(), x.dtype)", in: folder, by: .diffusers)
    #expect(output.contains("\(ids.count) \(Array(ids.prefix(256))) torch.int64"), "\(output)")
  }

  @Test(
    "webdataset reads samples",
    .enabled(if: PythonPeer.webdataset.isHere, "\(PythonPeer.webdataset.absence)"))
  func webdataset() throws {
    let (folder, all) = try encoded(.fsq)
    let outcome = try TinyCheckpoint.of(.fsq).encode(
      [folder.file("in")], to: folder.file("tokens.tar"), ["--size", "32"])
    #expect(outcome.code == 0, "\(outcome)")
    let output = try run(
      "import webdataset", adding: "print(key, ids.shape, label, ids.reshape(-1).tolist())",
      in: folder, by: .webdataset)
    #expect(output.contains("dogs/a (16, 16) 1 \(Array(all[256...]))"), "\(output)")
  }

  @Test(
    "datasets reads them",
    .enabled(if: PythonPeer.datasets.isHere, "\(PythonPeer.datasets.absence)"))
  func datasets() throws {
    let (folder, ids) = try encoded(.fsq)
    let output = try run(
      "from datasets", adding: "print(data[:]['input_ids'].flatten().tolist())", in: folder,
      by: .datasets)
    #expect(output.contains("\(ids)"), "\(output)")
  }

  @Test(
    "Megatron reads them",
    .enabled(if: PythonPeer.megatron.isHere, "\(PythonPeer.megatron.absence)"),
    arguments: [TinyCheckpoint.Kind.rotation, .fsq, .bsq, .residual])
  func megatron(kind: TinyCheckpoint.Kind) throws {
    let (folder, all) = try encoded(kind)
    let output = try run(
      "IndexedDataset(", adding: "print(len(data), ids.tolist())", in: folder, by: .megatron)
    #expect(output.contains("2 \(Array(all.prefix(all.count / 2)))"), "\(output)")
  }

  @Test(
    "transformers learns them",
    .enabled(if: PythonPeer.transformers.isHere, "\(PythonPeer.transformers.absence)"))
  func transformers() throws {
    let (folder, ids) = try encoded(.fsq)
    let output = try run(
      "LlamaForCausalLM(config)",
      adding: "print(sequence[:, 0].tolist(), sequence[:, 1:].flatten().tolist(), loss.item() < 8)",
      in: folder, by: .transformers)
    #expect(output.contains("[1000, 1001] \(ids) True"), "\(output)")
  }
}
