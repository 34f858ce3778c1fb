import Foundation

/// A path with `~` at its start replaced by a home folder, as shells do: `~/photos`, `~name/photos`.
///
/// A path whose `~` names no user is left unchanged; a folder that is called `~` is `./~`.
public func expandingHome(_ path: String) -> String {
  guard path.hasPrefix("~") else { return path }
  let end = path.firstIndex(of: "/") ?? path.endIndex
  let user = path[..<end].dropFirst()
  guard let home = user.isEmpty ? ownHome : homeFolder(of: String(user)) else { return path }
  return (home.hasSuffix("/") ? String(home.dropLast()) : home) + path[end...]
}

/// The home folder of whoever runs the program, as the environment names it.
private var ownHome: String? {
  if let home = ProcessInfo.processInfo.environment["HOME"], !home.isEmpty { return home }
  return NSHomeDirectory()
}

/// The home folder of a user of the system; nil where there is no such user.
private func homeFolder(of user: String) -> String? {
  guard let entry = getpwnam(user), let folder = entry.pointee.pw_dir else { return nil }
  return String(cString: folder)
}
