import FileTestSupport
import Foundation
import Imaging
import Testing
import TokenFiles

/// Shards of samples, as WebDataset writes them, in training and in encode; and what encode writes of them.
@Suite("Shards of samples")
struct ShardCommandTests {
  private let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// 8 images in two shards, and the same in folders of those names.
  private static func forTraining(steps: Int) throws -> ScratchFolder {
    let folder = try ScratchFolder.forTraining(steps: steps)
    for shard in 0..<2 {
      var archive = ScratchShard(shard == 0 ? .pax : .gnu)
      for number in shard * 4..<shard * 4 + 4 {
        let png = try ScratchFolder.read(folder.file("in/\(number).png"))
        archive.add("\(number).cls", "\(number % 3)")
        archive.add("\(number).png", png)
        try folder.write(png, to: "files/0\(shard).tar/\(number).png")
      }
      try folder.write(archive.archive, to: "shards/0\(shard).tar")
    }
    return folder
  }

  private func encode(
    _ checkpoint: TinyCheckpoint, _ paths: [String], to name: String, _ options: [String] = [],
    in folder: ScratchFolder
  ) throws -> CommandRunner.Outcome {
    try checkpoint.encode(
      paths.map(folder.file), to: folder.file(name), ["--size", "native"] + options)
  }

  @Test("training from shards is training from files, bit by bit, also where it is resumed")
  func training() throws {
    let folder = try Self.forTraining(steps: 7)
    func train(_ data: String, to output: String, _ options: [String] = []) throws
      -> CommandRunner.Outcome
    {
      try CommandRunner.run(
        "train", ["--config", "c.json", "--data", data, "--output", output] + options,
        in: folder.path)
    }
    expect(try train("files", to: "a"), 0)
    let pattern = "shards/{00..01}.tar"
    expect(try train(pattern, to: "b"), 0)
    // In the middle of an epoch, by other threads, from another working directory.
    expect(try train("shards", to: "c", ["--steps", "3", "--threads", "1"]), 0)
    expect(
      try CommandRunner.run(
        "train", ["--resume", "--output", folder.file("c"), "--steps", "7", "--threads", "2"]), 0)
    let weights = try ScratchFolder.read(folder.file("a/model.safetensors"))
    for name in ["b", "c"] {
      #expect(try ScratchFolder.read(folder.file("\(name)/model.safetensors")) == weights)
    }
    let data = try String(contentsOfFile: folder.file("b/data.jsonl"), encoding: .utf8)
    #expect(data.contains("00.tar/") && data.contains(#""given": "\#(pattern)""#), "\(data)")
    // The pattern is found again too.
    expect(
      try CommandRunner.run(
        "train", ["--resume", "--output", folder.file("b"), "--steps", "8"]), 0)
    expect(
      try CommandRunner.run("compare", ["b"], in: folder.path), 0, "held out by b")
    expect(
      try CommandRunner.run(
        "train", ["--config", "c.json", "--data", pattern, "--estimate", "--measured-steps", "2"],
        in: folder.path), 0)
    // Shards without one of them are other data.
    try FileManager.default.removeItem(atPath: folder.file("shards/01.tar"))
    expect(
      try CommandRunner.run("train", ["--resume", "--output", folder.file("c"), "--steps", "9"]),
      65, "missing", "01.tar/")
    expect(
      try CommandRunner.run("train", ["--resume", "--output", folder.file("b"), "--steps", "9"]),
      66, "found 1; missing", "01.tar")
  }

  @Test("a pattern that the shell expanded, and other mistakes, say what to type")
  func mistakes() throws {
    let folder = try Self.forTraining(steps: 1)
    func train(_ options: [String]) throws -> CommandRunner.Outcome {
      try CommandRunner.run("train", options, in: folder.path)
    }
    let many = ["--data", "shards/00.tar", "shards/01.tar"]
    expect(try train(["--config", "c.json"] + many), 64, "single quotes")
    expect(try train(["fsq"] + many), 64, "single quotes")
    expect(try train(["fsq"] + many + ["shards/02.tar"]), 64, "found 3 shards", "single quotes")
    expect(
      try train(["fsq", "--data", "a.tar", "--data", "b.tar"]), 64, "one pattern in quotes")
    expect(try train(["c.json", "--data", "shards/{00..01.tar"]), 64, "a { without its }")
    expect(try train(["c.json", "--data", "no/{00..01}.tar"]), 66, "found none of them")
    expect(
      try train(["c.json", "--data", "shards", "--set", "data.member=seg.png"]), 66,
      "a member .seg.png")
    expect(try train(["c.json", "--data", "in", "--set", "data.member=png"]), 65, "data.member")
    try folder.write([0x1F, 0x8B] + [UInt8](repeating: 0, count: 9), to: "z.tar.gz")
    expect(try train(["c.json", "--data", "z.tar.gz"]), 65, "gunzip < z.tar.gz > z.tar")
    let cut = try ScratchFolder.read(folder.file("shards/00.tar")).prefix(4200)
    try folder.write(Array(cut), to: "cut.tar")
    expect(try train(["c.json", "--data", "cut.tar"]), 65, "cut.tar: it ends at byte 4200")
    #expect(!FileManager.default.fileExists(atPath: folder.file("checkpoints")))
  }

  @Test("encode takes shards by every name, with labels, and gives the tokens of files")
  func encoding() throws {
    let checkpoint = try TinyCheckpoint.of(.rotation)
    let folder = try Self.forTraining(steps: 1)
    expect(try encode(checkpoint, ["files"], to: "f.npy", ["--no-labels"], in: folder), 0)
    let files = try TokenFile.open(path: folder.file("f.npy"))
    for (index, paths) in [
      ["shards"], ["shards/{00..01}.tar"], ["shards/01.tar", "shards/00.tar"],
    ].enumerated() {
      let name = "s\(index).safetensors"
      expect(
        try encode(checkpoint, paths, to: name, ["--verify"], in: folder), 0, "verified: 8 of 8",
        "of 3 classes")
      let file = try TokenFile.open(path: folder.file(name))
      #expect(file.paths == files.paths && file.classes == ["0", "1", "2"])
      #expect((0..<8).allSatisfy { file.shape(at: $0).label == $0 % 3 })
      #expect(
        try (0..<8).allSatisfy {
          try file.record(at: $0).tokens == files.record(at: $0).tokens
        })
    }
    // Beside a file, of which the name is as long as it must be.
    let mixed = ["shards/00.tar", "in/7.png"]
    expect(try encode(checkpoint, mixed, to: "m.npy", in: folder), 0)
    #expect(
      try TokenFile.open(path: folder.file("m.npy")).paths
        == ["7.png"] + (0..<4).map { "shards/00.tar/\($0).png" })
    // Samples that cannot be used are told, and a damaged one is skipped.
    var shard = ScratchShard()
    shard.add("a.png", try SampleImages.png(16, 16))
    shard.add("b.webp", "RIFF")
    shard.add("c.png", "no image")
    try folder.write(shard.archive, to: "bad.tar")
    expect(
      try encode(checkpoint, ["bad.tar"], to: "b.npy", in: folder), 65, "1 of 3 samples skipped",
      ".webp 1", "bad.tar/c.png", "1 of 2 files skipped")
  }

  @Test("--format webdataset writes samples that can be continued")
  func samples() throws {
    let checkpoint = try TinyCheckpoint.of(.rotation)
    let folder = try Self.forTraining(steps: 1)
    func run(_ paths: [String], _ options: [String] = []) throws -> CommandRunner.Outcome {
      try encode(
        checkpoint, paths, to: "out/t.tar", ["--format", "webdataset", "--shard", "3"] + options,
        in: folder)
    }
    try folder.folder("out")
    // As if a run had ended after two shards.
    expect(try run(["shards/00.tar"]), 0, "t-000000.tar to", "t-000001.tar: 4 images", "2 shards")
    let first = try ScratchFolder.read(folder.file("out/t-000000.tar"))
    expect(try run(["shards"]), 73, "already there", "--resume")
    let classes = try String(contentsOfFile: folder.file("out/t.json"), encoding: .utf8)
    #expect(classes.contains(#""classes":["0","1","2"]"#), "\(classes)")
    #expect(classes.contains(#""codebook_size":64"#) && classes.contains("recipe"))
    expect(
      try run(["shards"], ["--resume"]), 0, "4 images already encoded", "t-000003.tar: 4 images")
    #expect(try ScratchFolder.read(folder.file("out/t-000000.tar")) == first)
    #expect(
      try folder.contents("out")
        == ["t-000000.tar", "t-000001.tar", "t-000002.tar", "t-000003.tar", "t.json"])
    expect(try run(["shards"], ["--resume", "--dtype", "uint16"]), 65, "of another tokenizer")
    try FileManager.default.removeItem(atPath: folder.file("out/t-000001.tar"))
    expect(try run(["shards"], ["--resume"]), 65, "t-000001.tar", "missing")
    for option in ["--verify", "--force"] {
      expect(try run(["shards"], [option]), 64, "not with --format webdataset")
    }
    expect(
      try encode(checkpoint, ["in"], to: "t.npy", ["--format", "webdataset"], in: folder), 64,
      "writes .tar")
    // Nothing is left where nothing could be written.
    try folder.write("no image", to: "bad/a.png")
    expect(try encode(checkpoint, ["bad"], to: "none.tar", in: folder), 65, "nothing was written")
    #expect(folder.files().allSatisfy { !$0.hasPrefix("none") })
  }

  @Test("keys are kept, and made distinct where two shards share one")
  func keys() throws {
    let checkpoint = try TinyCheckpoint.of(.rotation)
    func keys(_ paths: [String], _ options: [String] = []) throws -> [String] {
      let output = folder.file("\(UUID().uuidString).tar")
      let outcome = try checkpoint.encode(
        paths.map(folder.file), to: output, ["--size", "native"] + options)
      expect(outcome, 0)
      let listed = try CommandRunner.run(
        program: "/usr/bin/env", ["tar", "-tf", output.dropLast(4) + "-000000.tar"])
      return listed.output.split(separator: "\n").map(String.init)
    }
    for name in ["a.tar", "b.tar"] {
      var shard = ScratchShard()
      shard.add("x.y/1.png", try SampleImages.png(4, 4))
      if name == "b.tar" { shard.add("2.png", try SampleImages.png(4, 4)) }
      try folder.write(shard.archive, to: "s/" + name)
    }
    #expect(try keys(["s/b.tar"]) == ["2.npy", "x.y/1.npy"])
    #expect(try keys(["s"]) == ["a/x.y/1.npy", "b/2.npy", "b/x.y/1.npy"])
    #expect(
      try keys(["s/a.tar"], ["--flip"]) == ["x.y/1.npy", "x.y/1_mirrored.npy"])
    try folder.write(SampleImages.png(4, 4), to: "in/c/a.v2.png")
    try folder.write(SampleImages.png(4, 4), to: "in/__b.png")
    #expect(try keys(["in"]) == ["b.npy", "c/a_v2.cls", "c/a_v2.npy"])
    try folder.write(SampleImages.jpeg(4, 4), to: "in/c/a.v2.jpg")
    expect(
      try checkpoint.encode([folder.file("in")], to: folder.file("x.tar"), ["--size", "native"]),
      65, "would both be samples of the key c/a_v2")
  }

  @Test(
    "shards that webdataset wrote are read, and it reads ours",
    .enabled(if: PythonPeer.webdataset.isHere, "\(PythonPeer.webdataset.absence)"),
    arguments: [TinyCheckpoint.Kind.rotation, .fsq, .residual])
  func webdataset(_ kind: TinyCheckpoint.Kind) throws {
    let checkpoint = try TinyCheckpoint.of(kind)
    _ = try PythonPeer.webdataset.run(
      script: """
        import numpy, os, sys, webdataset
        os.chdir(sys.argv[1])
        os.mkdir("files")
        rng = numpy.random.default_rng(1)
        with webdataset.ShardWriter("w-%06d.tar", maxcount=4, verbose=0) as writer:
            for i in range(10):
                image = rng.integers(0, 256, (32, 32, 3), dtype=numpy.uint8)
                key = f"ü folder/{'k' * (i * 12)}{i:04d}"
                sample = {"__key__": key, "png": image, "txt": "a caption"}
                sample["cls" if i % 2 else "json"] = i if i % 2 else {"label": i}
                writer.write(sample)
        """, [folder.path])
    let pattern = folder.file("w-{000000..000002}.tar")
    expect(
      try checkpoint.encode([pattern], to: folder.file("t.tar"), ["--shard", "4"]), 0, "10 images")
    expect(try checkpoint.encode([pattern], to: folder.file("t.safetensors")), 0, "10 classes")
    let tokens = try TokenFile.open(path: folder.file("t.safetensors"))
    let output = try PythonPeer.webdataset.run(
      script: """
        import os, sys, webdataset
        os.chdir(sys.argv[1])
        read = lambda name: webdataset.WebDataset(name, shardshuffle=False).decode()
        ours = {s["__key__"]: s for s in read("t-{000000..000002}.tar")}
        for theirs in read("w-{000000..000002}.tar"):
            mine = ours.pop(theirs["__key__"])
            label = theirs["cls"] if "cls" in theirs else theirs["json"]["label"]
            assert mine["cls"] == label, (mine["cls"], label)
            print(label, mine["npy"].dtype, *mine["npy"].shape, *mine["npy"].reshape(-1).tolist())
        assert not ours
        """, [folder.path])
    let lines = output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    try #require(lines.count == 10 && tokens.count == 10, "\(output)")
    let depth = tokens.identity.depth
    for index in 0..<10 {
      let record = try tokens.record(at: index)
      let line = try #require(lines.first { $0[0] == tokens.classes[record.label!] })
      let shape = [record.gridHeight, record.gridWidth] + (depth > 1 ? [depth] : [])
      #expect(Int(line[0]) == record.label)
      #expect(line[1] == (kind == .fsq ? "uint16" : "uint8"))
      #expect(line[2..<2 + shape.count].map { Int($0) } == shape)
      #expect(line[(2 + shape.count)...].map { UInt32($0) } == record.tokens)
    }
  }
}

/// Lists of images, in training and in encode.
@Suite("Lists of images")
struct ListCommandTests {
  @Test("a list is trained on, resumed and encoded, and one holds out")
  func lists() throws {
    let folder = try ScratchFolder.forTraining(steps: 2)
    try folder.write(
      (0..<8).map { "in/\($0).png\t\($0 % 2 == 0 ? "even" : "odd")\n" }.joined(), to: "all.txt")
    try folder.write("in/3.png\nin/5.png\n", to: "held.txt")
    func run(_ command: String, _ arguments: [String]) throws -> CommandRunner.Outcome {
      try CommandRunner.run(command, arguments, in: folder.path)
    }
    for (data, output) in [("in", "a"), ("all.txt", "b")] {
      expect(
        try run(
          "train",
          ["c.json", "--data", data, "--validation", "held.txt", "--output", output]), 0)
    }
    // Images of one folder by two names: the same order.
    #expect(
      try ScratchFolder.read(folder.file("a/model.safetensors"))
        == ScratchFolder.read(folder.file("b/model.safetensors")))
    let names = try String(contentsOfFile: folder.file("b/data.jsonl"), encoding: .utf8)
    #expect(names.contains("in/4.png") && !names.contains("in/3.png"), "\(names)")
    expect(
      try CommandRunner.run(
        "train", ["--resume", "--output", folder.file("b"), "--steps", "3"]), 0)
    expect(try run("compare", ["b"]), 0, "2 validation images")
    expect(
      try run("encode", ["--checkpoint", "b", "--output", "t.npy", "all.txt"]), 0, "of 2 classes")
    let tokens = try TokenFile.open(path: folder.file("t.npy"))
    #expect(tokens.paths == (0..<8).map { "in/\($0).png" } && tokens.classes == ["even", "odd"])
    // What is trained on has changed with the list.
    try folder.write("in/3.png\n", to: "held.txt")
    expect(
      try CommandRunner.run(
        "train", ["--resume", "--output", folder.file("b"), "--steps", "4"]), 65, "1 new",
      "in/5.png")
    try folder.write("in/3.png\nin/no.png\n", to: "held.txt")
    expect(
      try run("train", ["c.json", "--validation", "held.txt", "--output", "c"]), 66,
      "1 of the 2 files that it names are missing: in/no.png")
    expect(
      try run("encode", ["--checkpoint", "b", "--output", "u.npy", "held.txt"]), 66, "in/no.png")
    // A file that is an image is one, whatever its name ends in.
    try folder.write(SampleImages.png(32, 32), to: "image.txt")
    expect(
      try run("encode", ["--checkpoint", "b", "--output", "u.npy", "image.txt"]), 0, "1 image")
  }
}

extension ScratchFolder {
  /// The names in one of its folders, sorted.
  fileprivate func contents(_ name: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: file(name)).sorted()
  }
}
