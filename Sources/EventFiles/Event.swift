/// One event: when, at which step, and what.
///
/// The numbers of the fields are those of TensorBoard's `event.proto` and `summary.proto`.
struct Event {
  /// Seconds since 1970.
  let wallTime: Double
  /// The step that it belongs to.
  let step: Int
  /// What happened.
  let content: Content

  enum Content {
    /// The first event of a file: the version of what follows.
    case version
    /// Training starts at the event's step: what earlier files hold of it and later ones is void.
    ///
    /// Every file must have one, for TensorBoard takes the first it sees for a plain beginning.
    case start
    /// Values to show.
    case summary([SummaryValue])
  }

  /// TensorBoard heeds starts only in files of this version.
  private static let version = "brain.Event:2"
  /// `SessionLog.START`.
  private static let sessionStart = 1

  /// As an `Event`.
  var message: ProtobufMessage {
    var message = ProtobufMessage()
    message.add(1, double: wallTime)
    message.add(2, integer: step)
    switch content {
    case .version:
      message.add(3, text: Self.version)
    case .start:
      var log = ProtobufMessage()
      log.add(1, integer: Self.sessionStart)
      message.add(7, message: log)
    case .summary(let values):
      var summary = ProtobufMessage()
      for value in values { summary.add(1, message: value.message) }
      message.add(5, message: summary)
    }
    return message
  }
}

/// A value under the name by which TensorBoard shows it.
///
/// Scalars, histograms and images are written as `simple_value`, `histo` and `image`. TensorBoard
/// turns these into tensors of its plugins as it reads them, and keeps the bytes of an image and
/// the double precision of a histogram's statistics for other readers.
struct SummaryValue {
  /// The name; TensorBoard groups by what precedes the first slash.
  let tag: String
  /// What it is.
  let content: Content

  enum Content {
    case scalar(Float)
    case histogram(Histogram)
    case image(png: [UInt8], width: Int, height: Int)
  }

  /// `Summary.Image` counts channels: RGB has three.
  private static let colorspaceRGB = 3

  /// As a `Summary.Value`.
  var message: ProtobufMessage {
    var message = ProtobufMessage()
    message.add(1, text: tag)
    switch content {
    case .scalar(let value):
      message.add(2, float: value)
    case .histogram(let histogram):
      message.add(5, message: histogram.message)
    case .image(let png, let width, let height):
      var image = ProtobufMessage()
      image.add(1, integer: height)
      image.add(2, integer: width)
      image.add(3, integer: Self.colorspaceRGB)
      image.add(4, bytes: png)
      message.add(4, message: image)
    }
    return message
  }
}

extension Histogram {
  /// As a `HistogramProto`.
  fileprivate var message: ProtobufMessage {
    var message = ProtobufMessage()
    message.add(1, double: minimum)
    message.add(2, double: maximum)
    message.add(3, double: count)
    message.add(4, double: sum)
    message.add(5, double: sumOfSquares)
    message.add(6, doubles: limits)
    message.add(7, doubles: counts)
    return message
  }
}
