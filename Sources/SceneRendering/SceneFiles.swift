import Foundation
import Imaging

/// The files of a data set of scenes within its folder.
struct SceneFiles: Sendable {
  let folder: String

  private func url(_ path: String) -> URL {
    URL(fileURLWithPath: folder, isDirectory: true).appendingPathComponent(path)
  }

  /// The records as text, one JSON object a line with its keys in order.
  func lines(of records: [SceneRecord]) throws(SceneDatasetError) -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var lines = Data()
    do {
      for record in records {
        lines.append(try encoder.encode(record))
        lines.append(UInt8(ascii: "\n"))
      }
    } catch {
      throw .cannotWrite(path: url(SceneDataset.factorsFile).path, reason: "\(error)")
    }
    return lines
  }

  /// Whether the folder holds exactly these images and factors.
  func hold(_ records: [SceneRecord], lines: Data) -> Bool {
    guard let found = try? Data(contentsOf: url(SceneDataset.factorsFile)), found == lines else {
      return false
    }
    return records.allSatisfy { record in
      let values = try? url(record.file).resourceValues(forKeys: [.fileSizeKey])
      return (values?.fileSize ?? 0) > 0
    }
  }

  /// Makes the folders, and removes the factors and the images of an earlier, other data set.
  func prepare(for records: [SceneRecord]) throws(SceneDatasetError) {
    let manager = FileManager.default
    let kept = Set(records.map(\.file))
    var path = url(SceneDataset.factorsFile)
    do {
      if manager.fileExists(atPath: path.path) { try manager.removeItem(at: path) }
      for part in ["train", "validation"] {
        path = url(part)
        try manager.createDirectory(at: path, withIntermediateDirectories: true)
        for name in try manager.contentsOfDirectory(atPath: path.path)
        where Self.isOurs(name) && !kept.contains("\(part)/\(name)") {
          path = url("\(part)/\(name)")
          try manager.removeItem(at: path)
        }
      }
    } catch {
      throw .cannotWrite(path: path.path, reason: error.localizedDescription)
    }
  }

  /// Whether a file's name is one that records have: only those are ever removed.
  private static func isOurs(_ name: String) -> Bool {
    name.wholeMatch(of: /scene-[0-9]{5,}\.(png|jpg)/) != nil
  }

  /// Renders a record's scene and writes its image.
  func write(_ record: SceneRecord) throws(SceneDatasetError) {
    let image = SceneRenderer.render(record.scene, size: record.size)
    let format = record.file.hasSuffix(".png") ? ImageFormat.png : .jpeg
    let bytes: [UInt8]
    do throws(ImageError) {
      bytes = try ImageEncoder().encode(image, as: format, name: record.file)
    } catch {
      throw .cannotWrite(path: url(record.file).path, reason: error.description)
    }
    try write(Data(bytes), to: record.file)
  }

  /// Writes a file under a temporary name and renames it.
  ///
  /// It is not synced to the disk: after a loss of power the files are rendered again, which is
  /// quicker than waiting for the disk once per image.
  func write(_ bytes: Data, to file: String) throws(SceneDatasetError) {
    do {
      try bytes.write(to: url(file), options: .atomic)
    } catch {
      throw .cannotWrite(path: url(file).path, reason: error.localizedDescription)
    }
  }
}
