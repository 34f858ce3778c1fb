import Datasets
import FileTestSupport
import Files
import Foundation
import Imaging
import Testing

/// Images in tar shards: which they are, what they are called, and that they are those of files.
@Suite struct ShardTests {
  private let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private static func png(_ tint: Int, width: Int = 12, height: Int = 10) throws -> [UInt8] {
    try ImageEncoder().encode(
      ScratchFolder.image(width: width, height: height, tint: tint), as: .png)
  }

  private func write(
    _ name: String, _ manner: ScratchShard.Manner = .ustar,
    _ members: [(name: String, content: [UInt8])]
  ) throws {
    var shard = ScratchShard(manner)
    for member in members { shard.add(member.name, member.content) }
    try folder.write(shard.archive, to: name)
  }

  private func source(_ name: String, member: String? = nil) throws -> ImageSource {
    try ImageSource(path: folder.file(name), member: member)
  }

  private func error(_ name: String, member: String? = nil) throws -> ShardError? {
    do {
      _ = try source(name, member: member)
      return nil
    } catch DatasetError.shards(let error) { return error }
  }

  /// The same images from files and from shards, however the shards are named: the same order, split,
  /// batches and names but for the shard's.
  @Test func theSameAsFiles() throws {
    let names = (0..<20).map { "k\($0 + 10)" }
    for (index, name) in names.enumerated() {
      try folder.write(Self.png(index), to: "photos/\(index / 10).tar/\(name).png")
    }
    for shard in 0..<2 {
      try write(
        "shards/\(shard).tar", shard == 0 ? .pax : .gnu,
        try (0..<10).map { ("\(names[shard * 10 + $0]).png", try Self.png(shard * 10 + $0)) })
    }
    func loader(_ path: String) throws -> BatchLoader {
      let data = try Dataset(
        train: folder.file(path), validationShare: 0.2, seed: 3,
        augmentation: Augmentation(size: 8),
        cacheMegabytes: 0)
      return BatchLoader(images: data.training, batchSize: 5, seed: 7, threads: 2)
    }
    let files = try loader("photos")
    for path in ["shards", "shards/{0..1}.tar", "shards/{1,0}.tar"] {
      let shards = try loader(path)
      #expect(shards.images.files == files.images.files && files.images.count < 20)
      for step in [0, 3, 9, 2] {
        let one = try files.withBatch(step: step) { Array($0) }
        let other = try shards.withBatch(step: step) { Array($0) }
        #expect(one == other)
      }
    }
    let one = try source("shards/1.tar")
    #expect(one.files == names[10...].map { "1.tar/\($0).png" })
    #expect(one.location(0).name == folder.file("shards/1.tar/k20.png"))
  }

  /// Which member is the image, and which say something else.
  @Test func theImageOfASample() throws {
    let (a, b) = (try Self.png(1), try Self.png(2))
    try write(
      "a.tar", .ustar,
      [
        ("__meta__.json", Array("{}".utf8)), ("x/1.seg.png", b), ("x/1.jpg", a), ("x/1.cls", [55]),
        ("x/.hidden.png", b), ("./y.v2/2.PNG", a), ("./y.v2/2.json", Array("{}".utf8)),
        ("3.webp", b), ("4.txt", b), ("5.jpeg", a), ("5.png", b), ("6", b),
      ])
    let found = try source("a.tar")
    #expect(found.files == ["a.tar/5.png", "a.tar/x/1.jpg", "a.tar/y.v2/2.PNG"])
    #expect(
      found.notes == [
        "\(folder.file("a.tar")): 3 of 6 samples skipped, without a PNG or JPEG image (they have no ending "
          + "1, .txt 1, .webp 1)"
      ])
    #expect(try source("a.tar", member: "seg.png").files == ["a.tar/x/1.seg.png"])
    #expect(try source("a.tar", member: ".JPG").files == ["a.tar/x/1.jpg"])
    let none = try error("a.tar", member: "mask.png")
    #expect(none?.description.contains("found 6 samples of other members (.png") == true)
    try folder.write(a, to: "files/a.png")
    #expect(
      try error("files", member: "jpg") == .memberOfFiles(path: folder.file("files"), member: "jpg")
    )
  }

  @Test func labels() throws {
    let png = try Self.png(0)
    func labels(_ texts: [(ending: String, text: String)]) throws -> [String?] {
      var members: [(String, [UInt8])] = []
      for (index, label) in texts.enumerated() {
        members += [
          ("\(index + 10).\(label.ending)", Array(label.text.utf8)), ("\(index + 10).png", png),
        ]
      }
      try write("l.tar", .ustar, members)
      let found = try source("l.tar")
      return found.files.indices.map(found.className)
    }
    #expect(
      try labels([
        ("cls", "7"), ("cls", " cat \n"), ("json", #"{"label": 3}"#), ("json", #"{"cls": "dog"}"#),
        ("json", #"{"class": 5, "x": [1]}"#), ("json", #"{"caption": "none"}"#), ("json", "{"),
        ("txt", "8"), ("cls", ""), ("cls", "two\nlines"),
      ]) == ["7", "cat", "3", "dog", "5", nil, nil, nil, nil, nil])
    #expect(ImageSource.classes(["10", "2", "0"], areLabels: true).count == 11)
    #expect(ImageSource.classes(["10", "2", "0"], areLabels: false) == ["0", "10", "2"])
    #expect(ImageSource.classes(["10", "b", "0"], areLabels: true) == ["0", "10", "b"])
    #expect(ImageSource.classes(["99999999"], areLabels: true) == ["99999999"])
  }

  @Test func longNamesAndNamesThatAreNoText() throws {
    let png = try Self.png(0)
    let long = (0..<32).map { "folder \($0)" }.joined(separator: "/") + "/name.png"
    #expect(long.utf8.count >= 300)
    for manner in ScratchShard.Manner.allCases {
      try write("n.tar", manner, [(long, png)])
      let found = try source("n.tar")
      #expect(found.files == ["n.tar/" + long])
      #expect(try ImageDecoder().open(found.location(0)).decode().width == 12)
    }
    var shard = ScratchShard()
    shard.addEntry([0xE9] + Array(".png".utf8), kind: "0", content: png)
    shard.add("good.png", png)
    try folder.write(shard.archive, to: "u.tar")
    let found = try source("u.tar")
    #expect(found.files == ["u.tar/good.png"])
    #expect(found.leftOut.count == 1 && found.leftOut[0].reason.contains("not UTF-8"))
  }

  @Test func aKeyThatComesTwiceIsRefused() throws {
    let png = try Self.png(0)
    try write("d.tar", .ustar, [("x/a.png", png), ("b.png", png), ("x/a.jpg", png)])
    #expect(try error("d.tar") == .duplicateKey(path: folder.file("d.tar"), key: "x/a"))
    // In two shards it is two images.
    for name in ["two/1.tar", "two/2.tar"] { try write(name, .ustar, [("a.png", png)]) }
    #expect(try source("two").files == ["1.tar/a.png", "2.tar/a.png"])
  }

  @Test func whatCannotBeReadIsToldByShardAndPlace() throws {
    let png = try Self.png(0)
    var shard = ScratchShard()
    shard.add("a.png", png)
    shard.add("b.png", png)
    let end = shard.bytes.count / 2 + 512 + 20
    try folder.write(Array(shard.bytes.prefix(end)), to: "s/cut.tar")
    let path = folder.file("s/cut.tar")
    let cut = try error("s")
    #expect(
      cut == .archive(.cutShort(path: path, member: "b.png", offset: end)))
    #expect(cut?.description.contains("inside the member b.png") == true)

    for (name, magic, program) in [
      ("z/a.tar.gz", [0x1F, 0x8B, 8], "gunzip"), ("z/a.tgz", [0x1F, 0x8B, 8], "gunzip"),
      ("z/a.tar", [0x1F, 0x8B, 8], "gunzip"), ("z/a.tar.zst", [0x28, 0xB5, 0x2F, 0xFD], "unzstd"),
    ] as [(String, [UInt8], String)] {
      try folder.write(magic + [UInt8](repeating: 0, count: 600), to: name)
      let path = folder.file(name)
      #expect(try error(name) == .compressed(path: path, program: program))
      #expect(try error(name)?.description.contains("\(program) < \(path) > ") == true)
      // In a folder too.
      #expect(try error("z") == .compressed(path: path, program: program))
      try FileManager.default.removeItem(atPath: path)
    }
    try folder.write("text", to: "t.tar")
    #expect(try error("t.tar") == .archive(.notAnArchive(path: folder.file("t.tar"))))
    try write("none/1.tar", .ustar, [("a.txt", [1])])
    #expect(
      try error("none")
        == .noImages(path: folder.file("none"), samples: 1, endings: ["txt"], member: nil))
    try write("none/2.tar", .ustar, [("a.png", png)])
    try folder.write([], to: "none/3.tar")
    let some = try source("none")
    #expect(some.files == ["2.tar/a.png"])
    #expect(some.notes.contains { $0.contains("1.tar and 1 more shards hold no image") })
  }

  @Test func aShardThatChangesMeanwhileIsNotReadAsAnother() throws {
    try write("c.tar", .ustar, [("a.png", try Self.png(0)), ("b.png", try Self.png(1))])
    let store = try ImageStore(
      source: source("c.tar"), augmentation: Augmentation(size: 8), cacheMegabytes: 0)
    let set = ImageSet(store: store)
    _ = try set.image(1)
    try write("c.tar", .ustar, [("aaa.png", try Self.png(0)), ("b.png", try Self.png(1))])
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: folder.file("c.tar"))
    let error = #expect(throws: DatasetError.self) { try set.image(1) }
    #expect(error?.description.contains("c.tar has changed") == true)
    // No image is to blame.
    #expect(set.damage.isEmpty)
  }

  @Test func aFolderOfImagesAndShardsIsOneOfImages() throws {
    try folder.write(Self.png(0), to: "mixed/a.png")
    try write("mixed/b.tar", .ustar, [("c.png", try Self.png(1))])
    let found = try source("mixed")
    #expect(found.files == ["a.png"] && !found.isSharded)
    #expect(found.notes.first?.contains("(.tar 1)") == true)
  }

  // MARK: Patterns

  @Test(
    arguments: [
      ("a/{00..02}.tar", ["a/00.tar", "a/01.tar", "a/02.tar"]),
      ("{8..11}", ["8", "9", "10", "11"]), ("{3..1}", ["3", "2", "1"]),
      ("{00..10..5}", ["00", "05", "10"]), ("{098..101}", ["098", "099", "100", "101"]),
      ("{a,b}/x-{0..1}", ["a/x-0", "a/x-1", "b/x-0", "b/x-1"]),
      ("{{1..2},x{5..6}}", ["1", "2", "x5", "x6"]), ("{a,}b", ["ab", "b"]),
    ] as [(String, [String])])
  func patterns(_ pattern: String, _ expected: [String]) throws {
    let png = try Self.png(0)
    for (index, path) in expected.enumerated() {
      try write("p/\(path).tar", .ustar, [("k\(index).png", png)])
    }
    let found = try source("p/\(pattern).tar")
    #expect(Set(found.files.map { $0.split(separator: "/").last! }).count == expected.count)
    #expect(
      Set(found.files.map { found.fullPath($0) })
        == Set(expected.enumerated().map { folder.file("p/\($1).tar/k\($0).png") }))
  }

  @Test(arguments: [
    "{0..2", "0..2}", "{a}", "{}", "{1..}", "{a..c}", "{0..9..0}", "{0..999999999}",
  ])
  func brokenPatterns(_ pattern: String) throws {
    let error = try error(pattern + ".tar")
    guard case .badPattern(let path, _)? = error else {
      Issue.record("\(pattern): \(String(describing: error))")
      return
    }
    #expect(path == folder.file(pattern + ".tar"))
    #expect(error?.description.contains("single quotes") == true)
  }

  @Test func missingShardsAreNamed() throws {
    let png = try Self.png(0)
    for name in ["00", "02", "03"] { try write("\(name).tar", .ustar, [("a.png", png)]) }
    let some = try error("{00..09}.tar")?.description
    #expect(some?.contains("expected 10 shards, found 3; missing: ") == true)
    #expect(some?.contains(folder.file("01.tar")) == true && some?.contains("(7 in all)") == true)
    #expect(try error("{20..21}.tar")?.description.contains("found none of them") == true)
    #expect(try error("x.tar")?.description.contains("found nothing at this path") == true)
    // A name that is there is no pattern.
    try folder.write(png, to: "{0..1}/a.png")
    #expect(try source("{0..1}").files == ["a.png"])
  }
}
