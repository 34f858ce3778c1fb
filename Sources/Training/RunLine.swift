import Configuration
import Foundation

/// What the log records of each start and resumption of a run: `kind` is "run".
struct RunLine {
  /// Updates that were made before.
  var step: Int
  /// Threads that compute.
  var threads: Int
  /// Lanes, which decide over the result.
  var lanes: Int
  /// Images to train on.
  var trainingImages: Int
  /// Images to validate with, of which evaluations take some.
  var validationImages: Int
  /// What differs from the configuration before, by key: the old value and the new one.
  var changes: [ConfigurationChange] = []
  /// How the images to train on differ from those before, where that was allowed.
  var images: TrainingSetChange?
  /// Where the first weights came from, if they were not drawn.
  var origin: Checkpoint.Origin?

  /// The line, as of now.
  var line: JSONObject {
    var line = JSONObject([
      "kind": .string("run"), "step": .integer(step),
      "time": .string(Date().ISO8601Format()), "version": .string(Release.version),
      "cpu": .string(Machine.processor), "cores": .integer(Machine.cores),
      "threads": .integer(threads), "lanes": .integer(lanes),
      "trainingImages": .integer(trainingImages), "validationImages": .integer(validationImages),
    ])
    if !changes.isEmpty {
      var object = JSONObject()
      for change in changes { object[change.key] = .array([change.old, change.new]) }
      line["changes"] = .object(object)
    }
    if let images { line["changedImages"] = .object(images.line) }
    if let origin { line["from"] = .object(origin.line) }
    return line
  }
}
