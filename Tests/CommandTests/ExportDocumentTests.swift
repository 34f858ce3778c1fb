import FileTestSupport
import Foundation
import Imaging
import Testing

/// The lines of docs/export.md and python/README.md work as they stand.
@Suite("docs/export.md", .serialized)
struct ExportDocumentTests {
  private let folder: ScratchFolder

  /// Checkpoints under the names of the pages, and tokens of one.
  init() throws {
    folder = try ScratchFolder()
    try folder.folder("checkpoints")
    let fsq = try TinyCheckpoint.of(.fsq)
    try folder.link("checkpoints/fsq", to: fsq.path)
    try folder.link("checkpoints/vq", to: TinyCheckpoint.of(.vq).path)
    try folder.write(SampleImages.png(32, 32), to: "in/cats/a.png")
    let outcome = try fsq.encode([folder.file("in")], to: folder.file("tokens.safetensors"))
    #expect(outcome.code == 0, "\(outcome)")
  }

  /// The blocks of a page in some language.
  private func blocks(_ page: String, _ language: String) throws -> [String] {
    let file = CommandRunner.repository.appendingPathComponent(page)
    let text = try String(contentsOf: file, encoding: .utf8)
    let parts = text.components(separatedBy: "```")
    return stride(from: 1, to: parts.count, by: 2).map { parts[$0] }
      .filter { $0.hasPrefix(language + "\n") }.map { String($0.dropFirst(language.count + 1)) }
  }

  /// Runs the exports that docs/export.md shows.
  private func export() throws {
    let lines = try blocks("docs/export.md", "").flatMap { $0.components(separatedBy: "\n") }
      .filter { $0.hasPrefix("tessera ") }
    try #require(lines.count == 2)
    for line in lines {
      let words = line.split(separator: " ").dropFirst().map(String.init)
      let outcome = try CommandRunner.run("tessera", words, in: folder.path)
      #expect(outcome.code == 0, "\(line): \(outcome)")
    }
  }

  /// A script in the folder, with the module beside it.
  private func run(_ script: String, by peer: PythonPeer) throws -> String {
    let module = CommandRunner.repository.appendingPathComponent("python").path
    let beginning = """
      import os, sys
      sys.dont_write_bytecode = True
      sys.path.insert(0, sys.argv[1])
      os.chdir(sys.argv[2])

      """
    return try peer.run(script: beginning + script, [module, folder.path])
  }

  @Test(.enabled(if: PythonPeer.torch.isHere, "\(PythonPeer.torch.absence)"))
  func linesForPyTorch() throws {
    let page = try blocks("docs/export.md", "python")
    let beginning =
      "import numpy, torch\nimages = torch.rand(2, 3, 32, 48) * 2 - 1\n"
      + "drawn = numpy.zeros((2, 4, 4), int)\n"
    let checks = """

      assert ids.shape == (2, 16, 24) and decoded.shape == images.shape
      assert vectors.shape == (2, 16, 24, 4) and len(tessera.read_tokens("drawn.safetensors")) == 2
      """
    _ = try run(beginning + page[0] + checks, by: .torch)
    let readme = try blocks("python/README.md", "python")
    try #require(readme.count == 2)
    let output = try run(readme.joined(separator: "\n"), by: .torch)
    #expect(output.contains("1 (16, 16) [0] ['cats']"), "\(output)")
    let decoded = try CommandRunner.run(
      "decode", ["--checkpoint", "checkpoints/fsq", "--output", "out", "drawn.safetensors"],
      in: folder.path)
    #expect(decoded.code == 0 && !decoded.errors.contains("assumed"), "\(decoded)")
  }

  @Test(.enabled(if: PythonPeer.diffusers.isHere, "\(PythonPeer.diffusers.absence)"))
  func linesForDiffusers() throws {
    try export()
    let page = try blocks("docs/export.md", "python")
    let beginning = "import torch\nimages = torch.rand(2, 3, 32, 48) * 2 - 1\n"
    _ = try run(
      beginning + page[1] + "\nassert ids.shape == (2, 16, 24) and decoded.shape == images.shape",
      by: .diffusers)
  }

  @Test(.enabled(if: PythonPeer.onnx.isHere, "\(PythonPeer.onnx.absence)"))
  func linesForOnnxRuntime() throws {
    try export()
    let page = try blocks("docs/export.md", "python")
    try #require(page.count == 3)
    let beginning = "import numpy\npixels = numpy.zeros((2, 32, 48, 3), numpy.uint8)\n"
    _ = try run(
      beginning + page[2]
        + "\nassert tokens.shape == (2, 16, 24) and decoded.shape == pixels.shape",
      by: .onnx)
  }
}
