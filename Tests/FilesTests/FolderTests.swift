import FileTestSupport
import Files
import Foundation
import Testing

@Suite struct FolderTests {
  private let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  @Test(arguments: ["a", "a/b/c", "a//b/", "a/./b", "\u{e9} \u{1f600}/x"])
  func makesWhatIsMissing(_ name: String) throws {
    let path = scratch.file(name)
    try Folder.make(path)
    #expect(Folder.isFolder(path))
    // What is there stays.
    try Folder.make(path)
    try Folder.make(scratch.path)
  }

  @Test func aLinkToAFolderIsOne() throws {
    try Folder.make(scratch.file("real"))
    #expect(symlink("real", scratch.file("link")) == 0)
    try Folder.make(scratch.file("link/inside"))
    #expect(Folder.isFolder(scratch.file("real/inside")))
  }

  @Test func whatStandsInTheWayIsNamed() throws {
    try scratch.write([1], to: "file")
    #expect(throws: FileError(.write, scratch.file("file"), .system(ENOTDIR))) {
      try Folder.make(scratch.file("file"))
    }
    #expect(throws: FileError(.write, scratch.file("file/below"), .system(ENOTDIR))) {
      try Folder.make(scratch.file("file/below"))
    }
    #expect(symlink("nothing", scratch.file("dangling")) == 0)
    #expect(throws: FileError(.write, scratch.file("dangling"), .system(ENOTDIR))) {
      try Folder.make(scratch.file("dangling"))
    }
    #expect(throws: FileError(.write, "", .system(ENOENT))) { try Folder.make("") }
    let long = scratch.file(String(repeating: "x", count: 300))
    #expect(throws: FileError(.write, long, .system(ENAMETOOLONG))) { try Folder.make(long) }
  }
}
