import FileTestSupport
import Foundation
import Imaging
import Testing

/// Reading and writing files: whole or not at all.
struct ImageFileTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  @Test(arguments: ImageFormat.allCases)
  func `a written file reads back and leaves nothing beside it`(format: ImageFormat) throws {
    let image = Pattern.smooth(30, 20)
    let path = folder.file("picture")
    try ImageEncoder().write(Pattern.noise(3, 3), to: path, as: .png)
    try ImageEncoder().write(image, to: path, as: format)
    let read = try ImageDecoder().read(path)
    #expect(decibels(read, image) > 35)
    let header = try ImageDecoder().open(path).header
    #expect(header == ImageHeader(format: format, width: 30, height: 20, hasTransparency: false))
    #expect(try folder.contents() == ["picture"])
  }

  @Test func `a file that is not there is an error with its name`() {
    let path = folder.file("none.png")
    #expect {
      try ImageDecoder().read(path)
    } throws: { error in
      if case ImageError.unreadable(let file, _)? = error as? ImageError { return file == path }
      return false
    }
  }

  @Test func `a folder is not an image`() {
    #expect(throws: ImageError.self) { try ImageDecoder().read(folder.path) }
  }

  @Test func `an empty file is an error of its own`() throws {
    let path = folder.file("empty.png")
    try folder.write("", to: "empty.png")
    #expect(throws: ImageError.empty(file: path)) { try ImageDecoder().read(path) }
  }

  @Test func `a huge file is refused by its size`() throws {
    let path = folder.file("huge.png")
    try Data().write(to: URL(filePath: path))
    let file = try FileHandle(forWritingTo: URL(filePath: path))
    try file.truncate(atOffset: 1 << 40)
    try file.close()
    #expect(
      throws: ImageError.tooManyBytes(
        file: path, bytes: 1 << 40, limit: ImageDecoder.defaultPixelLimit * 8 + (64 << 20))
    ) { try ImageDecoder().read(path) }
  }

  @Test func `a folder that is not there is an error`() {
    #expect(throws: ImageError.self) {
      try ImageEncoder().write(Pattern.noise(3, 3), to: folder.file("no/x.png"), as: .png)
    }
  }

  @Test func `a folder in the way is an error and stays`() throws {
    try folder.folder("x.png")
    #expect(throws: ImageError.self) {
      try ImageEncoder().write(Pattern.noise(3, 3), to: folder.file("x.png"), as: .png)
    }
    #expect(try folder.contents() == ["x.png"])
  }

  @Test func `an image that cannot be encoded leaves the old file whole`() throws {
    let path = folder.file("x.jpg")
    let old = Pattern.noise(3, 3)
    try ImageEncoder().write(old, to: path, as: .png)
    #expect(throws: ImageError.self) {
      try ImageEncoder().write(Image(width: 65_501, height: 1), to: path, as: .jpeg)
    }
    #expect(try ImageDecoder().read(path) == old)
    #expect(try folder.contents() == ["x.jpg"])
  }

  @Test func `a link keeps pointing at the new file`() throws {
    let target = folder.file("target.png")
    try ImageEncoder().write(Pattern.noise(3, 3), to: target, as: .png)
    let link = folder.file("link.png")
    try folder.link("link.png", to: target)
    let image = Pattern.noise(4, 4)
    try ImageEncoder().write(image, to: link, as: .png)
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == target)
    #expect(try ImageDecoder().read(target) == image)
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full"), "there is no /dev/full"))
  func `a full device is an error and stays a device`() throws {
    #expect(throws: ImageError.self) {
      try ImageEncoder().write(Pattern.noise(3, 3), to: "/dev/full", as: .png)
    }
    let kind = try FileManager.default.attributesOfItem(atPath: "/dev/full")[.type]
    #expect(kind as? FileAttributeType == .typeCharacterSpecial)
  }

  // A limit on file sizes fails a write halfway as a full disk does; it holds for a whole process,
  // so this runs in one of its own.
  @Test func `a disk that fills up leaves the old file whole`() async {
    await #expect(processExitsWith: .success) {
      let folder = try ScratchFolder()
      let path = folder.file("x.png")
      let old = Pattern.noise(3, 3)
      try ImageEncoder().write(old, to: path, as: .png)
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 5000, rlim_max: 5000)
      #if os(Linux)
        let status = setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      #else
        let status = setrlimit(RLIMIT_FSIZE, &limit)
      #endif
      try #require(status == 0)
      #expect(throws: ImageError.self) {
        try ImageEncoder().write(Pattern.noise(90, 90), to: path, as: .png)
      }
      #expect(try ImageDecoder().read(path) == old)
      #expect(try folder.contents() == ["x.png"])
    }
  }
}
