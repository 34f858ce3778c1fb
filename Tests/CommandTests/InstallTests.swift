import FileTestSupport
import Foundation
import Testing

/// `make dist` of what is built here, `make install` of that into a folder with a space in its name, and
/// `make uninstall`.
@Suite("make dist, make install", .serialized)
struct InstallTests {
  private static let products = [
    ".build/release/libTesseraCommands.so", ".build/manual/release/generate-manual",
  ]
  private static let areBuilt = products.allSatisfy {
    FileManager.default.isExecutableFile(atPath: CommandRunner.repository.path + "/" + $0)
  }
  private static let commands = [
    "train", "encode", "decode", "compare", "scenes", "sweep", "sample", "score", "quality",
    "compress", "import", "export",
  ]

  private let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// Runs the program that was installed.
  private func tessera(
    _ arguments: [String], _ environment: [String: String] = [:]
  ) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      program: folder.file("opt/my tools/bin/tessera"), arguments, environment: environment)
  }

  /// Runs make, which has nothing to build.
  private func make(_ target: String) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      program: "/usr/bin/env",
      [
        "make", "--no-print-directory", "-C", CommandRunner.repository.path, target,
        "PREFIX=/opt/my tools", "DESTDIR=\(folder.path)", "SWIFT=true", "LEVELS=native",
        "DIST=\(dist)",
      ])
  }

  /// Where the distribution is put together; make takes no spaces there.
  private let dist = NSTemporaryDirectory() + "tessera-dist-\(UUID().uuidString)"

  @Test(
    "puts everything below DESTDIR and PREFIX, and removes what it put there",
    .enabled(if: areBuilt, "no tessera and generate-manual under .build: make manual"))
  func installAndUninstall() throws {
    defer { try? FileManager.default.removeItem(atPath: dist) }
    let staged = try make("stage")
    #expect(staged.code == 0, "\(staged)")
    let installed = try make("install")
    #expect(installed.code == 0, "\(installed)")
    let share = "opt/my tools/share/"
    let pages = ["tessera.1"] + Self.commands.map { "tessera-\($0).1" }
    let files = [
      "opt/my tools/bin/tessera", share + "bash-completion/completions/tessera",
      share + "fish/vendor_completions.d/tessera.fish", share + "zsh/site-functions/_tessera",
    ]
    let found = Set(folder.files())
    #expect(found.isSuperset(of: files + pages.map { share + "man/man1/" + $0 }))
    #expect(found.contains(share + "tessera/configs/fsq.json"))
    #expect(found.contains(share + "tessera/checkpoints/scenes/model.safetensors"))

    // It runs with the libraries beside it alone.
    let program = try tessera(["--version"], ["LD_LIBRARY_PATH": "/nowhere"])
    #expect(program.code == 0 && program.output.hasPrefix("tessera "), "\(program)")
    #if os(Linux)
      #expect(found.contains("opt/my tools/lib/tessera/libTesseraCommands.so"))
      #expect(found.contains("opt/my tools/lib/tessera/libswiftCore.so"))
      #expect(!found.contains { $0.contains("/libc.so") })
    #endif
    #if arch(x86_64) && os(Linux)
      // A single build has no levels to choose from.
      for (level, words) in [
        ("x86-64-v2", "no libraries"), ("x86-64-v9", "x86-64-v2, x86-64-v3 or x86-64-v4"),
      ] {
        let outcome = try tessera(["--version"], ["TESSERA_LEVEL": level])
        #expect(outcome.code == 64 && outcome.errors.contains(words), "\(outcome)")
      }
    #endif
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
