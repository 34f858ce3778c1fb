import FileTestSupport
import Foundation
import Testing
import TokenFiles

/// Recorded names of every kind, and what decode makes of them.
@Suite("Names of decoded images")
struct DecodedNamesTests {
  let checkpoint: TinyCheckpoint
  let folder: ScratchFolder

  init() throws {
    checkpoint = try TinyCheckpoint.of(.rotation)
    folder = try ScratchFolder()
  }

  /// Writes tokens of one pixel for each path, and decodes them.
  private func decode(
    _ paths: [String], to output: String = "a/b/c/out"
  ) throws -> CommandRunner.Outcome {
    let identity = try checkpoint.open().identity
    let tokens = folder.file("t.safetensors")
    let writer = try TokenWriter(
      path: tokens, format: .safetensors, identity: identity, recipe: .generated)
    for path in paths {
      try writer.append(
        TokenRecord(
          path: path, width: 1, height: 1, paddedWidth: 1, paddedHeight: 1, gridHeight: 1,
          gridWidth: 1, tokens: [3]))
    }
    _ = try writer.finish()
    return try checkpoint.decode(tokens, to: folder.file(output))
  }

  /// The files that were made, within the output folder.
  private func made(_ output: String = "a/b/c/out") throws -> [String] {
    let files = folder.files().filter { $0 != "t.safetensors" }
    for file in files { #expect(file.hasPrefix(output + "/"), "\(file)") }
    return files.map { String($0.dropFirst(output.count + 1)) }
  }

  @Test(
    "no name leads out of the folder, however it is written",
    arguments: [
      "../x", "/x", "//x", "./../x", "\u{0}../\u{0}../x", "..\u{0}/..\u{0}/x",
      ".\u{0}./.\u{7}./x", "\u{1B}../\u{7F}../x", "\u{85}../x", "\u{200E}../\u{202E}../x",
      "\u{FEFF}../x", "\u{200B}../\u{200D}..\u{200C}/x", ".\u{2060}./x", "\u{2025}/x",
      "\u{2024}\u{2024}/x", "\u{FF0E}\u{FF0E}/x", "\u{FE52}\u{FE52}/x", "\u{2026}/x", ".. /x",
      " ../x", "../ ../x", "... /x", "..\u{A0}/x", "\n../x", "..\r/x",
    ])
  func traversal(path: String) throws {
    let outcome = try decode([path + ".png"])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(try made() == ["x.png"])
  }

  @Test("separators of other systems, devices and endings become harmless")
  func foreignNames() throws {
    let names = [
      ("..\\..\\w.png", ".._.._w.png"), ("C:\\d.png", "C__d.png"),
      ("a.png:stream.png", "a.png_stream.png"),
      ("CON/e.png", "_CON/e.png"), ("nul.png", "_nul.png"), ("com1.x.png", "_com1.x.png"),
      ("lpt\u{B2}/f.png", "_lpt\u{B2}/f.png"), ("g. ./h.png", "g/h.png"),
      ("console/i.png", "console/i.png"), ("\u{5C}.png", "_.png"), ("j .png", "j .png"),
      ("k.png. .", "k.png"),
    ]
    let outcome = try decode(names.map(\.0))
    #expect(outcome.code == 0, "\(outcome)")
    #expect(try made() == names.map(\.1).sorted())
  }

  @Test("a name that has no room is shortened, and the others are written")
  func longNames() throws {
    let long = String(repeating: "n", count: 251)
    let letters = String(repeating: "\u{E9}", count: 200)
    let outcome = try decode([long + ".png", long + ".jpg", letters + "/" + letters, "a.png"])
    #expect(outcome.code == 0, "\(outcome)")
    let files = try made()
    #expect(files.count == 4)
    #expect(files.contains("a.png"))
    for part in files.flatMap({ $0.split(separator: "/") }) { #expect(part.utf8.count <= 255) }
  }

  @Test("a path that is too long is named and skipped, and the others are written")
  func longPaths() throws {
    let deep = String(repeating: "folder/", count: 1000) + "x.png"
    let outcome = try decode(["a.png", deep, "z.png"])
    #expect(outcome.code == 65, "\(outcome)")
    #expect(outcome.errors.contains("warning: skipped: folder/folder/"), "\(outcome)")
    #expect(outcome.errors.contains("1 of 3 images skipped"), "\(outcome)")
    #expect(outcome.errors.utf8.count < 2000)
    #expect(try made() == ["a.png", "z.png"])
  }

  @Test("where no path has room nothing is made")
  func onlyLongPaths() throws {
    let outcome = try decode([String(repeating: "a/", count: 100_000) + "x.png"])
    #expect(outcome.code == 65, "\(outcome)")
    #expect(outcome.errors.contains("too long"), "\(outcome)")
    #expect(outcome.errors.utf8.count < 2000)
    #expect(try made() == [])
  }

  @Test("many images of one name are numbered on")
  func oneName() throws {
    let outcome = try decode([String](repeating: "x.png", count: 300) + ["x.png-7", "y"])
    #expect(outcome.code == 0, "\(outcome)")
    let files = try made()
    #expect(files.count == 302 && Set(files).count == 302)
    #expect(files.contains("x.png.png") && files.contains("x.png-300.png"))
  }

  #if os(Linux)
    @Test(
      "names that differ in case or spelling stay what they are where the file system tells them apart"
    )
    func caseAndSpelling() throws {
      let names = ["a.png", "A.png", "e\u{301}.png", "\u{E9}.png"]
      let outcome = try decode(names)
      #expect(outcome.code == 0, "\(outcome)")
      try #require(!FileManager.default.fileExists(atPath: folder.file("T.SAFETENSORS")))
      #expect(try Set(made().map { Array($0.utf8) }) == Set(names.map { Array($0.utf8) }))
    }
  #endif
}
