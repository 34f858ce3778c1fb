import Files
import Datasets
import FileTestSupport
import Foundation
import Imaging
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Folders as they are found: names of every kind, what cannot be used, what is passed over.
@Suite struct FolderListingTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// Writes an image under a name of any bytes.
  private func writeImage(bytes name: [UInt8]) throws {
    try folder.writeImage("made.png")
    let target = Array((folder.path + "/").utf8) + name
    let code = (target + [0]).withUnsafeBufferPointer { target in
      target.withMemoryRebound(to: CChar.self) {
        rename(folder.path + "/made.png", $0.baseAddress!)
      }
    }
    try #require(code == 0)
  }

  private func makeFolder(bytes name: [UInt8]) throws {
    let target = Array((folder.path + "/").utf8) + name
    let code = (target + [0]).withUnsafeBufferPointer { target in
      target.withMemoryRebound(to: CChar.self) { mkdir($0.baseAddress!, 0o755) }
    }
    try #require(code == 0)
  }

  #if os(Linux)
    @Test func twoSpellingsOfALetterAreTwoNames() throws {
      let names = ["Caf\u{E9}/a.png", "Cafe\u{301}/a.png", "\u{E9}.png", "e\u{301}.png"]
      for (tint, name) in names.enumerated() { try folder.writeImage(name, tint: tint) }
      let store = try ImageStore(
        folder: ImageFolder(path: folder.path), augmentation: Augmentation(size: 8),
        cacheMegabytes: 1)
      #expect(store.count == 4)
      let expected = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      #expect(store.files.map { Array($0.utf8) } == expected.map { Array($0.utf8) })
      // Each is its own file.
      #expect(
        try Set((0..<4).map { try store.image($0).pixels[2] }) == [0, 1, 2, 3])
    }

    @Test func namesThatAreNotUTF8AreToldAndCounted() throws {
      try folder.writeImage("good.png")
      try writeImage(bytes: [0x63, 0xE9, 0x2E, 0x70, 0x6E, 0x67])
      try makeFolder(bytes: [0xE9, 0x74, 0xE9])
      for file in ["a.png", "b.png"] {
        try writeImage(bytes: [0xE9, 0x74, 0xE9, 0x2F] + Array(file.utf8))
      }
      // Nothing is lost with these.
      try makeFolder(bytes: [0xFF])
      let listing = try ImageFolder(path: folder.path)
      #expect(listing.files == ["good.png"])
      #expect(listing.leftOut.map(\.file) == ["c\\xe9.png", "\\xe9t\\xe9"])
      #expect(listing.leftOut.map(\.imageCount) == [1, 2])
      #expect(listing.leftOut[1].reason.contains("the 2 images in it"))
      for left in listing.leftOut { #expect(left.reason.contains("not UTF-8")) }
    }
  #endif

  @Test func aFolderThatMayNotBeListedIsLeftOut() async throws {
    try folder.writeImage("a/good.png")
    try folder.folder("lost+found")
    chmod(folder.path + "/lost+found", 0)
    defer { chmod(folder.path + "/lost+found", 0o755) }
    await #expect(processExitsWith: .success) { [path = folder.path as String] in
      try #require(OrdinaryUser.become())
      let listing = try ImageFolder(path: path)
      #expect(listing.files == ["a/good.png"])
      #expect(listing.leftOut.map(\.file) == ["lost+found"])
      #expect(listing.leftOut[0].imageCount == 0)
      #expect(listing.leftOut[0].reason.contains(path + "/lost+found"))
    }
  }

  @Test func otherKindsAreCountedByTheirEndings() throws {
    try folder.fill(2)
    for name in ["a.webp", "b.WebP", "c.tif", "sub/d.webp", "README"] {
      try folder.write("x", to: name)
    }
    let listing = try ImageFolder(path: folder.path)
    #expect(listing.otherFiles == ["webp": 3, "tif": 1, "": 1])
    #expect(
      listing.notes == [
        "\(folder.path): 5 files of other kinds skipped (.webp 3, no ending 1, .tif 1)"
      ])
    try folder.write("x", to: ".hidden.webp")
    #expect(try ImageFolder(path: folder.path) == listing)
  }

  @Test func whatARunLeftIsNotSearched() throws {
    try folder.fill(2)
    for (run, mark) in [("runs/a", "model.safetensors"), ("runs/b", "samples/000100.png")] {
      try folder.write("{}", to: run + "/config.json")
      try folder.writeImage(run + "/samples/000001.png")
      if mark.hasSuffix(".png") {
        try folder.writeImage(run + "/" + mark)
      } else {
        try folder.write("x", to: run + "/" + mark)
      }
    }
    let listing = try ImageFolder(path: folder.path)
    #expect(listing.files == ["000.png", "001.png"])
    #expect(listing.runFolders == ["runs/a", "runs/b"].map { folder.path + "/" + $0 })
    #expect(listing.notes.count == 1)
    // Named itself, a folder is searched: of a run all but its own sheets.
    #expect(
      try ImageFolder(path: folder.path + "/runs/b/samples").files == ["000001.png", "000100.png"])
    try folder.writeImage("runs/b/mine.png")
    let run = try ImageFolder(path: folder.path + "/runs/b")
    #expect(run.files == ["mine.png"])
    #expect(run.runFolders == [folder.path + "/runs/b/samples"])
    // Neither sign alone makes a run.
    try folder.write("{}", to: "set/config.json")
    try folder.writeImage("set/images/x.png")
    try folder.writeImage("plain/samples/y.png")
    #expect(
      try ImageFolder(path: folder.path).files
        == ["000.png", "001.png", "plain/samples/y.png", "set/images/x.png"])
  }

  @Test(.timeLimit(.minutes(10)), arguments: [0, 1]) func aPipeIsLeftOut(megabytes: Int) throws {
    try folder.fill(2)
    #expect(mkfifo(folder.path + "/camera.png", 0o600) == 0)
    let store = try ImageStore(
      folder: ImageFolder(path: folder.path), augmentation: Augmentation(size: 8),
      cacheMegabytes: megabytes)
    #expect(store.files == ["000.png", "001.png"])
    #expect(store.rejected.map(\.file) == ["camera.png"])
    #expect(store.rejected[0].reason.contains("not a regular file"))
  }

  @Test func someOfAFolderIsOpenedAlone() throws {
    try folder.fill(5)
    let some = try ImageFolder(path: folder.path).keeping([1, 4])
    #expect(some.files == ["001.png", "004.png"])
    let store = try ImageStore(
      folder: some, augmentation: Augmentation(size: 8), cacheMegabytes: 1)
    #expect(try store.image(1) == ScratchFolder.image(width: 12, height: 10, tint: 4))
  }
}
