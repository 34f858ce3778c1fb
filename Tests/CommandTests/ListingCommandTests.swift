import FileTestSupport
import Foundation
import Testing
import TokenFiles

/// What is told while images are listed, and a request to stop meanwhile.
@Suite("Listing images by command") struct ListingCommandTests {
  private let folder: ScratchFolder

  init() throws {
    folder = try ScratchFolder()
    for number in 0..<4 {
      try folder.write(SampleImages.png(16, 16, number: number), to: "in/\(number).png")
    }
    try folder.write("in/0.png\nin/1.png\n", to: "l.txt")
    for name in ["a", "b"] {
      var shard = ScratchShard()
      shard.add("1.png", try SampleImages.png(16, 16))
      try folder.write(shard.archive, to: "shards/\(name).tar")
    }
  }

  @Test(
    "a terminal shows what is listed, anything else does not",
    arguments: [
      ("in", "listing #: 0 images"), ("l.txt", "reading #"), ("shards", "listing #: 0 images"),
      ("shards/{a,b}.tar", "reading the headers of #: 1 of 2 shards"),
    ])
  func progress(_ path: String, _ line: String) throws {
    let checkpoint = try TinyCheckpoint.of(.rotation).path
    let command = [
      "--checkpoint", checkpoint, "--size", "16", "--output", folder.file("t.npy"), "--force",
      folder.file(path),
    ]
    let shown = try PseudoTerminal.run("encode", command, columns: 400)
    let text = line.replacing("#", with: folder.file(path))
    #expect(shown.code == 0 && shown.output.contains(text), "\(text) in \(shown.output)")
    let quiet = try PseudoTerminal.run("encode", command + ["--quiet"], columns: 400)
    #expect(quiet.code == 0 && !quiet.output.contains(text), "\(quiet.output)")
    let plain = try CommandRunner.run("encode", command)
    #expect(plain.code == 0 && !plain.errors.contains("listing"), "\(plain)")
  }

  /// A signal that is there before the command is: it comes as soon as the command listens.
  private func stopped(_ command: String, _ arguments: [String]) throws -> CommandRunner.Outcome {
    let script = """
      import os, signal, sys
      signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
      os.kill(os.getpid(), signal.SIGTERM)
      os.execv(sys.argv[1], sys.argv[1:])
      """
    return try CommandRunner.run(
      program: "/usr/bin/env",
      ["python3", "-c", script, CommandRunner.path(of: command)] + arguments, in: folder.path)
  }

  private static let hasPython =
    (try? CommandRunner.run(program: "/usr/bin/env", ["python3", "-c", ""]))?.code == 0

  @Test(
    "a stop during a listing ends the command at once, with nothing written",
    .enabled(if: hasPython), arguments: ["in", "l.txt", "shards", "shards/{a,b}.tar"])
  func stop(_ path: String) throws {
    let checkpoint = try TinyCheckpoint.of(.rotation).path
    let before = folder.files()
    let outcome = try stopped(
      "encode", ["--checkpoint", checkpoint, "--size", "16", "--output", "t.npy", path])
    #expect(outcome.code == 143 && !outcome.isKilled, "\(outcome)")
    #expect(outcome.errors.contains("stopped before anything was computed"), "\(outcome)")
    #expect(folder.files() == before)
    let training = try stopped(
      "train", ["fsq", "--data", path, "--output", "run", "--steps", "1"])
    #expect(training.code == 143 && !training.isKilled, "\(training)")
    #expect(training.errors.contains("stopped before anything was computed"), "\(training)")
    #expect(!folder.files().contains { $0.hasSuffix("state.safetensors") })
  }

  @Test("names that differ in their bytes alone, and lists that name an image by two paths")
  func names() throws {
    let checkpoint = try TinyCheckpoint.of(.rotation)
    for (number, name) in ["é", "e\u{301}"].enumerated() {
      try folder.write(SampleImages.png(16, 16, number: number), to: "u/\(name).png")
    }
    func encode(_ output: String, _ options: [String], _ paths: [String]) throws
      -> CommandRunner.Outcome
    {
      try CommandRunner.run(
        "encode",
        ["--checkpoint", checkpoint.path, "--size", "16", "--output", output] + options + paths,
        in: folder.path)
    }
    // One of them is finished: the other is not.
    expect(try encode("w.tar", ["--shard", "1"], ["u"]), 0, "2 images")
    let last = try ScratchFolder.read(folder.file("w-000001.tar"))
    try FileManager.default.removeItem(atPath: folder.file("w-000001.tar"))
    expect(
      try encode("w.tar", ["--shard", "1", "--resume"], ["u"]), 0, "1 image already encoded")
    #expect(try ScratchFolder.read(folder.file("w-000001.tar")) == last)
    expect(try encode("s.npy", ["--shard", "1"], ["u"]), 0, "2 images")
    for name in ["s-00002.npy", "s-00002.npy.json"] {
      try FileManager.default.removeItem(atPath: folder.file(name))
    }
    expect(try encode("s.npy", ["--shard", "1", "--resume"], ["u"]), 0, "1 image already encoded")
    // An image that is reached in two ways is taken once.
    try folder.write("in/0.png\n\(folder.file("in/0.png"))\nin/1.png\n", to: "two.txt")
    expect(try encode("l.npy", [], ["two.txt"]), 0, "2 images")
    expect(try encode("m.npy", ["--verify"], ["in", "in/1.png", "l.txt"]), 0, "verified: 4 of 4")
    #expect(
      try TokenFile.open(path: folder.file("m.npy")).paths == (0..<4).map { "in/\($0).png" })
    // The mirror image of another file has that name.
    try folder.write(SampleImages.png(16, 16), to: "f/a.png")
    try folder.write(SampleImages.png(16, 16), to: "f/b.mirrored.png")
    expect(try encode("f.npy", ["--flip"], ["f"]), 0, "4 images")
    try folder.write(SampleImages.png(16, 16), to: "f/a.mirrored.png")
    expect(
      try encode("g.npy", ["--flip"], ["f"]), 65,
      "a.mirrored.png: the mirror image of a.png")
  }
}

/// Images of shards in the commands that look at some, with the member that is asked for.
@Suite("Members of samples by command") struct MemberCommandTests {
  @Test("train continuous, compare, quality and sample take a member of the samples")
  func members() throws {
    let folder = try ScratchFolder()
    // In each sample a photograph that is the right one, and a shorter ending that is not.
    for shard in 0..<2 {
      var archive = ScratchShard()
      for number in 0..<8 {
        let image = try SampleImages.png(16, 16, number: shard * 8 + number)
        try folder.write(image, to: "files/\(shard).tar/\(number).seg.png")
        archive.add("\(number).cls", "\(number % 2)")
        archive.add("\(number).jpg", "no image")
        archive.add("\(number).seg.png", image)
      }
      try folder.write(archive.archive, to: "shards/\(shard).tar")
    }
    func tessera(_ arguments: String...) throws -> CommandRunner.Outcome {
      try CommandRunner.run("tessera", arguments, in: folder.path)
    }
    try folder.write(
      """
      {
        "kind": "continuous",
        "data": {"type": "images", "train": "shards", "member": "seg.png", "validationShare": 0.25,
          "imageSize": 16, "patch": 4},
        "model": {"width": 32, "layers": 1, "heads": 2, "head": {"type": "gaussian"}},
        "training": {"steps": 2, "batchSize": 4, "lanes": 1}
      }
      """, to: "c.json")
    expect(
      try tessera("train", "--config", "c.json", "--set", "data.member=null", "--output", "no"), 65,
      "jpg")
    expect(try tessera("train", "--config", "c.json", "--output", "a"), 0)
    expect(try tessera("train", "--resume", "--output", "a", "--steps", "3"), 0)
    // The same images as files, without classes.
    expect(
      try tessera(
        "train", "--config", "c.json", "--data", "files", "--set", "data.member=null",
        "--output", "b"), 0)
    expect(
      try tessera("train", "--config", "c.json", "--data", "files", "--output", "no"), 65,
      "data.member")
    for name in ["s", "none"] {
      let outcome = try tessera(
        "sample", "--checkpoint", "a", "--count", "4", "--beside", "shards", "--member",
        name == "s" ? "seg.png" : "gif", "--output", name + ".png")
      if name == "s" { expect(outcome, 0) } else { expect(outcome, 66, "a member .gif") }
    }
    expect(try tessera("sample", "--checkpoint", "a", "--member", "png", "--output", "x.png"), 64)
    try folder.write(
      """
      {
        "data": {"train": "shards", "member": "seg.png", "imageSize": 16},
        "model": {"channels": [32], "latentChannels": 4},
        "quantizer": {"type": "vq", "codebookSize": 64, "codeDimension": 4},
        "training": {"steps": 2, "batchSize": 4, "lanes": 1}
      }
      """, to: "t.json")
    expect(try tessera("train", "--config", "t.json", "--output", "t"), 0)
    expect(try tessera("compare", "t"), 0, "held out by t")
    // Of its own accord the member of the run, where there are shards.
    for (data, options) in [("shards", []), ("files", []), ("shards", ["--member", "seg.png"])] {
      expect(
        try CommandRunner.run(
          "compare", ["t", "--data", data] + options, in: folder.path), 0, "16 images")
    }
    expect(try tessera("compare", "t", "--data", "shards", "--member", "gif"), 66, "a member .gif")
    expect(try tessera("compare", "t", "--data", "files", "--member", "png"), 65, "are files")
    expect(try tessera("compare", "t", "--member", "png"), 64, "--data")
    for number in 0..<4 {
      try folder.write(SampleImages.png(16, 16, number: 40 + number), to: "drawn/\(number).png")
    }
    expect(
      try tessera("quality", "--real", "shards", "--member", "seg.png", "drawn"), 0,
      "16 real images in shards")
  }
}
