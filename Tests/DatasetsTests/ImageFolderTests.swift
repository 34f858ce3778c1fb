import Files
import Datasets
import FileTestSupport
import Foundation
import Testing

@Suite struct ImageFolderTests {
  @Test func listsImagesOfAllFoldersInOrder() throws {
    let folder = try ScratchFolder()
    let names = [
      "b.png", "a.JPG", "sub/deeper/c.jpeg", "sub/a.Png", "with space/über ñ 漢.png", "z.PNG",
    ]
    for name in names + ["notes.txt", ".hidden.png", ".git/x.png", "png", "sub/page.html"] {
      try folder.write("x", to: name)
    }
    let listing = try ImageFolder(path: folder.path)
    #expect(
      listing.files == [
        "a.JPG", "b.png", "sub/a.Png", "sub/deeper/c.jpeg", "with space/über ñ 漢.png", "z.PNG",
      ])
    for file in listing.files {
      #expect(FileManager.default.fileExists(atPath: listing.fullPath(file)))
    }
    // The same with a slash at the end.
    #expect(try ImageFolder(path: folder.path + "/").files == listing.files)
  }

  @Test func loopsOfLinksEndAndLinksAreFollowed() throws {
    let folder = try ScratchFolder()
    let elsewhere = try ScratchFolder()
    try folder.write("x", to: "a/one.png")
    try elsewhere.write("x", to: "two.png")
    try folder.link("a/loop", to: "..")
    try folder.link("again", to: "a")
    try folder.link("far", to: elsewhere.path)
    #expect(try ImageFolder(path: folder.path).files == ["a/one.png", "far/two.png"])
  }

  @Test func missingFolder() {
    let path = NSTemporaryDirectory() + "no such folder"
    #expect(throws: DatasetError.missingFolder(path: path)) { try ImageFolder(path: path) }
  }

  @Test func fileInsteadOfAFolder() throws {
    let folder = try ScratchFolder()
    try folder.write("x", to: "a.png")
    let path = folder.path + "/a.png"
    #expect(throws: DatasetError.notAFolder(path: path)) { try ImageFolder(path: path) }
  }

  @Test func folderOfTextFiles() throws {
    let folder = try ScratchFolder()
    try folder.write("x", to: "a.txt")
    try folder.write("x", to: "sub/b.txt")
    try folder.write("x", to: "c.gif")
    let error = #expect(throws: DatasetError.self) { try ImageFolder(path: folder.path) }
    #expect(error == .noImages(path: folder.path, files: 3, endings: ["txt", "gif"]))
    #expect(error?.description.contains("found 3 files of other kinds (.txt, .gif)") == true)
    #expect(error?.description.contains(".png, .jpg or .jpeg") == true)
  }

  @Test func emptyFolder() throws {
    let folder = try ScratchFolder()
    #expect(throws: DatasetError.noImages(path: folder.path, files: 0, endings: [])) {
      try ImageFolder(path: folder.path)
    }
  }
}
