import FileTestSupport
import Foundation
import Testing

/// `make install` and `make uninstall`, into a folder with a space in its name.
@Suite("make install")
struct InstallTests {
  private static let products = [".build/release/tessera", ".build/manual/release/generate-manual"]
  private static let areBuilt = products.allSatisfy {
    FileManager.default.isExecutableFile(atPath: CommandRunner.repository.path + "/" + $0)
  }
  private static let commands = [
    "train", "encode", "decode", "compare", "scenes", "sweep", "sample", "score", "quality",
    "compress", "import", "export",
  ]

  private let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// Runs make, which is to build nothing.
  private func make(_ target: String) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      program: "/usr/bin/env",
      [
        "make", "--no-print-directory", "-C", CommandRunner.repository.path, target,
        "PREFIX=/opt/my tools", "DESTDIR=\(folder.path)", "SWIFT=false",
      ])
  }

  @Test(
    "puts everything below DESTDIR and PREFIX, and removes what it put there",
    .enabled(if: areBuilt, "no tessera and generate-manual under .build: make manual"))
  func installAndUninstall() throws {
    let installed = try make("install")
    #expect(installed.code == 0, "\(installed)")
    let share = "opt/my tools/share/"
    let pages = ["tessera.1"] + Self.commands.map { "tessera-\($0).1" }
    let files = [
      "opt/my tools/bin/tessera", share + "bash-completion/completions/tessera",
      share + "fish/vendor_completions.d/tessera.fish", share + "zsh/site-functions/_tessera",
    ]
    #expect(folder.files() == (files + pages.map { share + "man/man1/" + $0 }).sorted())

    let program = try CommandRunner.run(program: folder.file(files[0]), ["--version"])
    #expect(program.code == 0 && program.output.hasPrefix("tessera "), "\(program)")
    func text(_ name: String) throws -> String {
      String(decoding: try ScratchFolder.read(folder.file(name)), as: UTF8.self)
    }
    for script in files[1...] { #expect(try text(script).contains("checkpoint"), "\(script)") }
    for command in Self.commands {
      let page = try text(share + "man/man1/tessera-\(command).1")
      #expect(page.contains(".Dt TESSERA-\(command.uppercased()) 1"), "\(page)")
      #expect(page.contains(".Sh EXAMPLES"), "\(page)")
      #expect(page.contains("tessera \(command) "), "\(page)")
    }

    // A second time, over the first, and beside files of others.
    try folder.write("mine", to: "opt/my tools/bin/other")
    try folder.write("old", to: share + "man/man1/tessera-former.1")
    #expect(try make("install").code == 0)
    #expect(!folder.files().contains { $0.contains("former") })
    let removed = try make("uninstall")
    #expect(removed.code == 0, "\(removed)")
    #expect(folder.files() == ["opt/my tools/bin/other"])
  }
}
