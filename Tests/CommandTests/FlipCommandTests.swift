import FileTestSupport
import Foundation
import Imaging
import Testing
import TokenFiles

/// `encode --flip`: each image is followed by its mirror image.
@Suite("Mirror images of encode")
struct FlipCommandTests {
  private let checkpoint: TinyCheckpoint
  private let folder: ScratchFolder

  init() throws {
    checkpoint = try TinyCheckpoint.of(.fsq)
    folder = try ScratchFolder()
    for number in 0..<3 {
      let image = SampleImages.image(61, 47, number: number)
      for (name, image) in [
        ("in/c/\(number).png", image), ("out/\(number).png", image.flippedHorizontally()),
      ] {
        try folder.write(ImageEncoder().encode(image, as: .png), to: name)
      }
    }
  }

  private func encode(
    _ input: String, _ name: String, _ options: [String]
  ) throws -> CommandRunner.Outcome {
    try checkpoint.encode(
      [folder.file(input)], to: folder.file(name), ["--threads", "2"] + options)
  }

  @Test("ids of pairs are those of the image and of the mirrored one", arguments: ["native", "32"])
  func pairs(size: String) throws {
    let outcome = try encode("in", "t.npy", ["--flip", "--verify", "--size", size])
    #expect(outcome.code == 0 && outcome.output.contains("verified: 6 of 6"), "\(outcome)")
    #expect(try encode("in", "a.npy", ["--size", size]).code == 0)
    let (file, plain) = (
      try TokenFile.open(path: folder.file("t.npy")), try TokenFile.open(path: folder.file("a.npy"))
    )
    #expect(file.recipe.isMirrored && !plain.recipe.isMirrored)
    #expect(
      file.paths
        == (0..<3).flatMap { ["c/\($0).png", "c/\($0).mirrored.png"] })
    for index in 0..<3 {
      let (image, mirror) = (try file.record(at: 2 * index), try file.record(at: 2 * index + 1))
      #expect(image == (try plain.record(at: index)))
      #expect(mirror.label == 0 && mirror.width == image.width && mirror.tokens != image.tokens)
    }
    // At its own size a file that is mirrored itself gives the very ids.
    guard size == "native" else { return }
    #expect(try encode("out", "b.npy", ["--size", size]).code == 0)
    let mirrored = try TokenFile.open(path: folder.file("b.npy"))
    for index in 0..<3 {
      #expect(try file.record(at: 2 * index + 1).tokens == mirrored.record(at: index).tokens)
    }
    let decoded = try checkpoint.decode(folder.file("t.npy"), to: folder.file("decoded"))
    #expect(decoded.code == 0, "\(decoded)")
    let image = try SampleImages.read(folder.file("decoded/c/1.mirrored.png"))
    #expect((image.width, image.height) == (61, 47))
  }

  @Test("shards hold whole pairs, and are continued")
  func shards() throws {
    let options = ["--flip", "--shard", "4"]
    #expect(try encode("in", "t.bin", options + ["--format", "megatron"]).code == 0)
    let file = try TokenFile.open(path: folder.file("t.bin"))
    for name in ["t-00002.bin", "t-00002.bin.json", "t-00002.idx"] {
      try FileManager.default.removeItem(atPath: folder.file(name))
    }
    let other = try encode("in", "t.bin", ["--shard", "4", "--resume"])
    #expect(other.code == 65, "\(other)")
    let outcome = try encode("in", "t.bin", options + ["--resume", "--format", "megatron"])
    #expect(outcome.code == 0 && outcome.errors.contains("4 images already encoded"), "\(outcome)")
    let again = try TokenFile.open(path: folder.file("t.bin"))
    #expect(again.paths == file.paths && again.count == 6)
  }

  @Test("a file that cannot be read is reported once")
  func unreadable() throws {
    try folder.write("text", to: "in/c/x.png")
    let outcome = try encode("in", "t.npy", ["--flip"])
    #expect(outcome.code == 65, "\(outcome)")
    #expect(outcome.errors.contains("1 of 4 files skipped"), "\(outcome)")
    #expect(outcome.errors.components(separatedBy: "x.png").count == 2, "\(outcome)")
    try folder.write("text", to: "bad/x.png")
    let none = try encode("bad", "n.npy", ["--flip"])
    #expect(
      none.code == 65 && none.errors.contains("nothing was written: 1 file skipped"), "\(none)")
  }

  @Test("odd shards and names that are taken are refused")
  func refusals() throws {
    let odd = try encode("in", "t.npy", ["--flip", "--shard", "3"])
    #expect(odd.code == 64 && odd.errors.contains("expected an even number"), "\(odd)")
    try folder.write(SampleImages.png(8, 8), to: "in/c/1.mirrored.png")
    let taken = try encode("in", "t.npy", ["--flip"])
    #expect(taken.code == 65 && taken.errors.contains("would have the same name"), "\(taken)")
    #expect(!FileManager.default.fileExists(atPath: folder.file("t.npy")))
  }
}
