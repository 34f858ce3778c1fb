import FileTestSupport
import Foundation
import Testing

/// The tokenizer that comes with the repository, used as its README says.
@Suite("The checkpoint that is there from the start")
struct ShippedCheckpointTests {
  private static let checkpoint = CommandRunner.repository.appendingPathComponent(
    "checkpoints/scenes"
  ).path

  @Test("encodes and decodes images that it has not seen, of any size, and does it well")
  func use() throws {
    let folder = try ScratchFolder()
    let drawn = try CommandRunner.run(
      "scenes",
      ["--output", folder.file("in"), "--count", "1", "--validation", "12", "--size", "72"]
        + ["--seed", "99", "--quiet"])
    #expect(drawn.code == 0, "\(drawn)")
    let encoded = try CommandRunner.run(
      "encode",
      ["--checkpoint", Self.checkpoint, "--output", folder.file("t.safetensors"), "--verify"]
        + ["--size", "native", folder.file("in/validation")])
    #expect(encoded.code == 0, "\(encoded)")
    #expect(encoded.output.contains("verified: 12 of 12 images"), "\(encoded)")
    #expect(encoded.output.contains("12 images, 3,888 tokens"), "\(encoded)")
    let decoded = try CommandRunner.run(
      "decode",
      ["--checkpoint", Self.checkpoint, "--output", folder.file("out")]
        + [folder.file("t.safetensors")])
    #expect(decoded.code == 0, "\(decoded)")
    let compared = try CommandRunner.run(
      "compare",
      [Self.checkpoint, "--data", folder.file("in/validation"), "--json", "-", "--quiet"])
    #expect(compared.code == 0, "\(compared)")
    struct Comparison: Decodable {
      struct Run: Decodable { let psnr: Double }
      let runs: [Run]
    }
    let runs = try JSONDecoder().decode(Comparison.self, from: Data(compared.output.utf8)).runs
    #expect(runs.count == 1 && runs[0].psnr > 28, "\(runs)")
  }
}
