import Files
import FileTestSupport
import Foundation
import Testing
import TokenFiles

/// Files of earlier versions, whose JSON file was `NAME.json` for npy and bin alike.
@Suite struct EarlierSidecarTests {
  private let folder: ScratchFolder
  private let identity = Samples.identity(codes: 300)

  init() throws { folder = try ScratchFolder() }

  /// Writes, and gives JSON files the names that they had.
  private func write(
    _ records: [TokenRecord], _ format: TokenFormat, shard: Int? = nil
  ) throws {
    let files = try Samples.write(
      records, to: folder.file("t.\(format)"), format, identity, shard: shard)
    for file in files where file.hasSuffix(".json") {
      try FileManager.default.moveItem(
        atPath: file, toPath: file.replacing(".\(format).json", with: ".json"))
    }
  }

  @Test(arguments: [TokenFormat.npy, .bin]) func theyAreReadAndReplaced(
    _ format: TokenFormat
  ) throws {
    let (old, new) = (Samples.uniform(3, identity), Samples.uniform(4, identity))
    try write(old, format)
    for name in ["t", "t.\(format)", "t.json"] {
      #expect(try TokenFile.open(path: folder.file(name)).records == old)
    }
    let resumed = try TokenWriter(
      path: folder.file("t"), format: format, identity: identity, recipe: Samples.recipe,
      resume: true)
    #expect(resumed.finishedPaths.count == 3)
    _ = try resumed.finish()
    // Until it is replaced it keeps its name, which other programs may know.
    #expect(try folder.contents() == ["t.\(format)", "t.json"].sorted())
    try Samples.write(new, to: folder.file("t.\(format)"), format, identity)
    #expect(try folder.contents() == ["t.\(format)", "t.\(format).json"])
    #expect(try TokenFile.open(path: folder.file("t")).records == new)
  }

  @Test(arguments: [TokenFormat.npy, .bin]) func shardsAreContinuedAndReplaced(
    _ format: TokenFormat
  ) throws {
    let records = Samples.mixed(7, identity)
    try write(Array(records[..<4]), format, shard: 2)
    let writer = try TokenWriter(
      path: folder.file("t"), format: format, identity: identity, recipe: Samples.recipe, shard: 2,
      resume: true)
    #expect(writer.finishedPaths.count == 4)
    for record in records[4...] { try writer.append(record) }
    _ = try writer.finish()
    #expect(try TokenFile.open(path: folder.file("t")).records == records)
    let other = try TokenWriter(
      path: folder.file("t"), format: format, identity: identity, recipe: Samples.recipe, shard: 3,
      replace: true)
    for record in records[..<3] { try other.append(record) }
    let files = try other.finish().map { String($0.dropFirst(folder.path.count + 1)) }
    #expect(try folder.contents() == files.sorted())
    #expect(try TokenFile.open(path: folder.file("t")).records == Array(records[..<3]))
  }

  @Test func theOtherFormatsIsNoneOfOurs() throws {
    let records = Samples.uniform(3, identity)
    try write(records, .npy)
    // It describes t.npy, and stays although t.bin comes beside it.
    try Samples.write(Samples.uniform(2, identity), to: folder.file("t.bin"), .bin, identity)
    #expect(try TokenFile.open(path: folder.file("t.npy")).records == records)
    #expect(try TokenFile.open(path: folder.file("t.bin")).count == 2)
    #expect(try folder.contents() == ["t.bin", "t.bin.json", "t.json", "t.npy"])
    // Ids whose own description is lost are not given the other's.
    try FileManager.default.removeItem(atPath: folder.file("t.bin.json"))
    #expect(throws: TokenFileError.self) { try TokenFile.open(path: folder.file("t.bin")) }
  }
}
