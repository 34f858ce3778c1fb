import FileTestSupport
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
    let folder = try ScratchFolder()
    try folder.write(html, to: "report.html")
    for name in ["output", "errors"] { try folder.write("", to: name) }
    func url(_ name: String) -> URL { URL(fileURLWithPath: folder.file(name)) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
      "--user-data-dir=\(folder.file("profile"))", "--window-size=\(width),\(height)",
      "--virtual-time-budget=5000", "--enable-logging=stderr", "--dump-dom",
      url("report.html").absoluteString,
    ]
    process.standardOutput = try FileHandle(forWritingTo: url("output"))
    process.standardError = try FileHandle(forWritingTo: url("errors"))
    try process.run()
    let deadline = Date(timeIntervalSinceNow: 60)
    while process.isRunning, Date() < deadline { Thread.sleep(forTimeInterval: 0.05) }
    guard !process.isRunning else {
      process.terminate()
      return nil
    }
    func text(_ name: String) throws -> String {
      String(decoding: try ScratchFolder.read(folder.file(name)), as: UTF8.self)
    }
    return Visit(
      page: try text("output"),
      console: try text("errors").split(separator: "\n").map(String.init).filter {
        $0.contains("CONSOLE")
      })
  }
}
