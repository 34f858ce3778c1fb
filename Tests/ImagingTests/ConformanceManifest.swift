import Foundation
import Imaging

/// The conformance files and what is expected of each; see the `rules` in the manifest itself.
struct ConformanceManifest: Decodable {
  struct Entry: Decodable {
    let path: String
    let expected: String
    let firm: Bool
    let width: Int?
    let height: Int?
    let rgbSHA256: String?
    let meanRGB: [Double]?
    let orientation: Int?
    let reference: String?

    enum CodingKeys: String, CodingKey {
      case path, expected, firm, width, height, orientation, reference
      case rgbSHA256 = "rgb_sha256"
      case meanRGB = "mean_rgb"
    }

    var isExpectedToDecode: Bool { expected == "decodes" }
    var bytes: [UInt8] { get throws { try ConformanceManifest.bytes(path) } }

    /// The outcome with the pixels as they are stored.
    func decoded() throws -> Result<Image, ImageError> {
      let bytes = try bytes
      return Result { () throws(ImageError) in
        try ImageDecoder(appliesOrientation: false).decode(bytes, name: path)
      }
    }
  }

  let files: [Entry]

  /// `shared/` beside the repository's root.
  static let sharedFolder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "shared")
  static let folder = sharedFolder.appending(path: "data/conformance")
  static let isPresent = FileManager.default.fileExists(
    atPath: folder.appending(path: "manifest.json").path)

  static func load() throws -> ConformanceManifest {
    let data = try Data(contentsOf: folder.appending(path: "manifest.json"))
    return try JSONDecoder().decode(ConformanceManifest.self, from: data)
  }

  static func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: folder.appending(path: path)))
  }
}
