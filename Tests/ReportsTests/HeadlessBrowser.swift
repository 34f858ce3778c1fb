import Foundation

/// A real browser without a window, where the machine has one.
enum HeadlessBrowser {
  /// What became of a page.
  struct Visit {
    /// The page after its scripts ran.
    var page: String
    /// What the browser said of the page's console.
    var console: [String]

    /// An attribute of the root element.
    func root(_ name: String) -> String? {
      guard let tag = page.range(of: "<html[^>]*>", options: .regularExpression) else { return nil }
      let parts = page[tag].components(separatedBy: " \(name)=\"")
      return parts.count > 1 ? String(parts[1].prefix { $0 != "\"" }) : nil
    }
  }

  /// The executable; nil where none is found.
  static let path: String? = {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    for name in ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"] {
      for folder in folders {
        let path = "\(folder)/\(name)"
        if FileManager.default.isExecutableFile(atPath: path) { return path }
      }
    }
    return nil
  }()

  /// Opens a page in a window of a size; nil where the browser did not answer within a minute.
  static func visit(_ html: String, width: Int, height: Int = 900) throws -> Visit? {
    guard let path else { return nil }
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("page-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("report.html")
    try Data(html.utf8).write(to: file)
    let (output, errors) = (
      folder.appendingPathComponent("output"), folder.appendingPathComponent("errors")
    )
    for file in [output, errors] { try Data().write(to: file) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
      "--user-data-dir=\(folder.path)/profile", "--window-size=\(width),\(height)",
      "--virtual-time-budget=5000", "--enable-logging=stderr", "--dump-dom", file.absoluteString,
    ]
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    let deadline = Date(timeIntervalSinceNow: 60)
    while process.isRunning, Date() < deadline { Thread.sleep(forTimeInterval: 0.05) }
    guard !process.isRunning else {
      process.terminate()
      return nil
    }
    let said = String(decoding: try Data(contentsOf: errors), as: UTF8.self)
    return Visit(
      page: String(decoding: try Data(contentsOf: output), as: UTF8.self),
      console: said.split(separator: "\n").map(String.init).filter { $0.contains("CONSOLE") })
  }
}
