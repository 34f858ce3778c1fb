import FileTestSupport
import Foundation
import Imaging
import Testing
import TokenFiles

/// The Python of docs/tokens.md does what is said of it.
@Suite("docs/tokens.md", .enabled(if: PythonPeer.numpy.isHere, "\(PythonPeer.numpy.absence)"))
struct TokenDocumentTests {
  /// The examples in Python, in order.
  private static func examples() throws -> [String] {
    let file = CommandRunner.repository.appendingPathComponent("docs/tokens.md")
    let text = try String(contentsOf: file, encoding: .utf8)
    return text.components(separatedBy: "```python\n").dropFirst().map {
      $0.components(separatedBy: "```")[0]
    }
  }

  private func run(_ script: String, in folder: ScratchFolder) throws -> String {
    try PythonPeer.numpy.run(
      script: "import os, sys; os.chdir(sys.argv[1])\n" + script, [folder.path])
  }

  @Test("ids that numpy drew are decoded")
  func drawing() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    let examples = try Self.examples()
    try #require(examples.count == 2)
    _ = try run(examples[0], in: folder)
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

  @Test("what encode wrote is read")
  func reading() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    try folder.write(SampleImages.png(40, 40), to: "in/cats/a.png")
    #expect(
      try checkpoint.encode([folder.file("in")], to: folder.file("tokens.safetensors")).code == 0)
    let output = try run(Self.examples()[1], in: folder)
    #expect(output.contains("uint16 (1, 16, 16) cats/a.png 0 ['cats']"), "\(output)")
  }
}
