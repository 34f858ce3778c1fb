import Files
import FileTestSupport
import Foundation
import Testing

/// Tar archives by their layout, and against the system's tar.
@Suite struct TarTests {
  private let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// Names and contents of all members.
  private func members(_ name: String = "a.tar") throws -> [(name: String, content: [UInt8])] {
    let file = try ReadableFile(path: folder.file(name))
    var reader = TarReader(file)
    var found: [(String, [UInt8])] = []
    while let member = try reader.nextMember() {
      found.append(
        (member.name, try file.bytes(member.offset..<member.offset + member.byteCount)))
    }
    return found
  }

  private func error(_ bytes: [UInt8]) throws -> TarError? {
    try folder.write(bytes, to: "a.tar")
    do {
      _ = try members()
      return nil
    } catch let error as TarError { return error }
  }

  private static let long = (0..<29).map { "folder \($0)" }.joined(separator: "/") + "/ü name.jpg"

  @Test(arguments: ScratchShard.Manner.allCases)
  func everyMannerOfNamesAndSizes(_ manner: ScratchShard.Manner) throws {
    let names = [
      "a.jpg", "b/c.d.png", String(repeating: "n", count: 100),
      String(repeating: "f/", count: 60) + "x.jpg", Self.long, "z.txt",
    ]
    #expect(Self.long.utf8.count > 290)
    var shard = ScratchShard(manner)
    shard.addEntry(Array("b/".utf8), kind: "5")
    for (index, name) in names.enumerated() {
      shard.add(name, [UInt8](repeating: UInt8(index), count: [0, 1, 511, 512, 513, 5000][index]))
    }
    shard.addEntry(Array("link".utf8), kind: "2")
    shard.addEntry(Array("pipe".utf8), kind: "6")
    for archive in [shard.archive, shard.bytes] {
      try folder.write(archive, to: "a.tar")
      let found = try members()
      #expect(found.map(\.name) == names)
      #expect(found.map(\.content.count) == [0, 1, 511, 512, 513, 5000])
      #expect(
        found.enumerated().allSatisfy { $1.content.allSatisfy { [n = $0] in $0 == UInt8(n) } })
    }
  }

  @Test func attributesOfAllMembersAndOfOne() throws {
    var shard = ScratchShard()
    shard.addAttributes(["comment": "path=no", "path": "all.jpg"], isGlobal: true)
    shard.add("one.jpg", "1")
    shard.addAttributes(["path": "two.jpg"])
    shard.add("x", "22")
    shard.add("three.jpg", "333")
    try folder.write(shard.archive, to: "a.tar")
    let found = try members()
    #expect(found.map(\.name) == ["all.jpg", "two.jpg", "all.jpg"])
    #expect(found.map(\.content.count) == [1, 2, 3])
  }

  @Test func oneBlockOfZerosIsNoEnd() throws {
    var (shard, second) = (ScratchShard(), ScratchShard())
    shard.add("a", "1")
    second.add("b", "2")
    let zeros = [UInt8](repeating: 0, count: 512)
    try folder.write(shard.bytes + zeros + second.bytes + zeros + zeros + shard.bytes, to: "a.tar")
    #expect(try members().map(\.name) == ["a", "b"])
  }

  @Test func whatIsDamagedIsToldWithItsPlace() throws {
    let path = folder.file("a.tar")
    var shard = ScratchShard()
    shard.add("a.jpg", [UInt8](repeating: 1, count: 1000))
    shard.add("b.jpg", [UInt8](repeating: 2, count: 1000))
    let whole = shard.bytes
    #expect(
      try error(Array(whole.prefix(2100))) == .cutShort(path: path, member: "b.jpg", offset: 2100))
    #expect(
      try error(Array(whole.prefix(1700))) == .cutShort(path: path, member: nil, offset: 1700))
    #expect(try error(Array("text".utf8)) == .notAnArchive(path: path))
    #expect(
      try error([UInt8](repeating: 65, count: 2000)) == .notAnArchive(path: path))
    // A member that is whole, in a block that is not.
    #expect(
      try error(Array(whole.dropLast(12)))
        == .cutShort(path: path, member: "b.jpg", offset: whole.count - 12))
    var broken = whole
    broken[1536 + 5] ^= 1
    #expect(try error(broken) == .damaged(path: path, offset: 1536))
    #expect(try error(broken)?.description.contains("at byte 1536") == true)
    #expect(try error([]) == nil)
    var named = ScratchShard()
    named.addAttributes(["path": "c.jpg"])
    #expect(
      try error(whole + named.bytes)
        == .cutShort(path: path, member: nil, offset: whole.count + named.bytes.count))
    var other = ScratchShard()
    other.addEntry(Array("s.jpg".utf8), kind: "S")
    #expect(try error(other.archive) == .sparse(path: path, member: "s.jpg"))
    for record in [
      "99 path=a\n", "x path=a\n", "0 path=a\n", "10 size=-1\n", "11 size=99999999999999999999\n",
    ] {
      var bad = ScratchShard()
      bad.addEntry(Array("h".utf8), kind: "x", content: Array(record.utf8))
      bad.add("a", "1")
      #expect(try error(bad.archive) == .damaged(path: path, offset: 0), "\(record)")
    }
    var endless = ScratchShard()
    endless.addAttributes(["size": String(Int.max)])
    endless.add("a", "1")
    #expect(
      try error(endless.archive)
        == .cutShort(path: path, member: "a", offset: endless.archive.count))
  }

  /// Whatever bytes are changed, walking ends, with members within the file or with an error.
  @Test func anyBytesAreBorne() throws {
    var shard = ScratchShard(.pax)
    for index in 0..<3 { shard.add("m\(index).jpg", [UInt8](repeating: 7, count: 300)) }
    let whole = shard.archive
    for place in stride(from: 0, to: whole.count, by: 7) {
      for value: UInt8 in [0, 0x80, 0xFF, 0x37] {
        var changed = whole
        changed[place] = value
        if try error(changed) == nil { #expect(try members().count <= 6) }
      }
    }
  }

  @Test func whatIsWrittenIsRead() throws {
    let names = ["a.npy", String(repeating: "k", count: 96) + ".npy", Self.long]
    for name in ["a.tar", "b.tar"] {
      let writer = try TarWriter(path: folder.file(name))
      for (index, member) in names.enumerated() {
        try writer.append(member, [UInt8](repeating: 9, count: index * 700))
      }
      #expect(try folder.contents().contains(name) == false)
      try writer.finish()
    }
    let found = try members()
    #expect(found.map(\.name) == names && found.map(\.content.count) == [0, 700, 1400])
    #expect(
      try ScratchFolder.read(folder.file("a.tar")) == ScratchFolder.read(folder.file("b.tar")))
    let canceled = try TarWriter(path: folder.file("c.tar"))
    try canceled.append("a", [1])
    canceled.cancel()
    #expect(try folder.contents() == ["a.tar", "b.tar"])
  }

  /// The system's tar lists what we wrote, and we list what it wrote, in each of its formats.
  @Test(arguments: ["gnu", "pax", "ustar", "v7"])
  func theSystemsTar(_ format: String) throws {
    let long =
      format == "v7"
      ? "short.jpg"
      : (0..<9).map { "folder \($0)" }.joined(separator: "/") + "/"
        + String(repeating: "n", count: 60) + ".jpg"
    try folder.write([UInt8](repeating: 3, count: 700), to: "in/" + long)
    try folder.write("text", to: "in/a.txt")
    try folder.link("in/l.jpg", to: "a.txt")
    func tar(_ arguments: [String]) throws -> CommandRunner.Outcome {
      try CommandRunner.run(program: "/usr/bin/env", ["tar"] + arguments, in: folder.path)
    }
    let made = try tar(["--format=\(format)", "--sort=name", "-cf", "a.tar", "-C", "in", "."])
    try #require(made.code == 0, "\(made)")
    let found = try members()
    #expect(Set(found.map(\.name)) == ["./a.txt", "./" + long])
    #expect(found.first { $0.name.hasSuffix("jpg") }?.content == [UInt8](repeating: 3, count: 700))
    let writer = try TarWriter(path: folder.file("ours.tar"))
    try writer.append(Self.long, Array("content".utf8))
    try writer.finish()
    let listed = try tar(["-xOf", "ours.tar", Self.long])
    #expect(listed.output == "content", "\(listed)")
  }
}
